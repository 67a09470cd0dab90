"""The errors of learning that somebody who uses the page can meet, in Portuguese: of settings, memory, disk, going on.

`spoken_errors` has the others, those of the photos among them.
"""

from collections.abc import Sequence

OF_TRAINING: Sequence[tuple[str, str]] = (
    # a training
    (
        "the learning rate {} leaves no step to train after step {}: {}",
        "a taxa de aprendizado {} não deixa passo a treinar depois do passo {}: {}",
    ),
    ("{} in the learning rate starts with no number: {}", "{} na taxa de aprendizado não começa com um número: {}"),
    (
        "{} in the learning rate does not end with a whole number of steps: {}",
        "{} na taxa de aprendizado não termina com um número inteiro de passos: {}",
    ),
    (
        "{} in the learning rate ends before the first step: {}",
        "{} na taxa de aprendizado termina antes do primeiro passo: {}",
    ),
    (
        "the learning rate holds {}: rates are numbers from 0 up, such as 0.005",
        "a taxa de aprendizado contém {}: taxas são números a partir de 0, como 0.005",
    ),
    (
        "held_out is {} of {} photos, but {} must remain to train on: take at most {}, or more photos",
        "--held-out é {} de {} fotos, mas {} devem sobrar para o treino: use no máximo {}, ou mais fotos",
    ),
    (
        "the learning rate {} begins with 0: decimals take a point, such as 0.005",
        "a taxa de aprendizado {} começa com 0: os decimais levam ponto, como em 0.005",
    ),
    (
        "gradient_clip is {}: write a number above 0, or pairs of limit and last step such as `1:100, 0.1`",
        "--gradient-clip é {}: escreva um número acima de 0, ou pares de limite e último passo como `1:100, 0.1`",
    ),
    (
        "gradient_clip_by is 'value', but the gradient has no limit: add --gradient-clip",
        "--gradient-clip-by é “valor”, mas o gradiente não tem limite: preencha --gradient-clip",
    ),
    (
        "{} is {}, but there are no previews: add --preview-every",
        "--{} é {}, mas não há prévias: preencha --preview-every",
    ),
    (
        "buckets were given together with width or height: either each photo's shape or one for all",
        "--buckets não combina com --width ou --height: ou a forma de cada foto, ou uma só para todas",
    ),
    ("{} is {}: {} learns from multiples of {}", "--{} é {}: {} aprende com múltiplos de {}"),
    ("template is {}: name one of {}", "modelo de texto é {}: use um destes: {}"),
    (
        "there is no template file {}: give a text file with one prompt a line, or one of {}",
        "não há modelo de texto {}: use um arquivo com um prompt por linha, ou um destes: {}",
    ),
    (
        "{} cannot be read as a template: {}; give a UTF-8 text file",
        "não foi possível ler um modelo de texto em {}: {}; use um arquivo de texto UTF-8",
    ),
    (
        "{} is empty: write one prompt a line, such as: a photo of [name]",
        "{} está vazio: escreva um prompt por linha, como: a photo of [name]",
    ),
    (
        "line {} of {} has no [name]: put [name] where the embedding belongs",
        "a linha {} de {} não tem [name]: ponha [name] onde entra a pessoa",
    ),
    (
        "the template {} makes one word of {} and the letters beside it: put a space between them",
        "o modelo de texto {} junta {} e as letras ao lado numa só palavra: ponha um espaço entre elas",
    ),
    (
        "{} predicts {}: training needs one for epsilon or v_prediction",
        "{} prevê {}: o treino precisa de um modelo de epsilon ou v_prediction",
    ),
    (
        "process {} is training in {}: wait for its end, or take another name",
        "o processo {} está treinando em {}: espere que termine, ou use outro nome",
    ),
    (
        "there is too little memory on {} for a single example: close other programs, or use a smaller model; {}",
        "falta memória em {} até para um só exemplo: feche outros programas, ou use um modelo menor; {}",
    ),
    (
        "there is too little memory on {} for a single example, {} more are needed: close other programs, or use a "
        "smaller model; {}",
        "falta memória em {} até para um só exemplo, são precisos mais {}: feche outros programas, ou use um modelo "
        "menor; {}",
    ),
    (
        "the loss was not a number in {} of {} steps, and going back to good ones {} times did not help: take a lower "
        "learning rate; {}",
        "a perda não foi um número em {} de {} passos, e voltar {} vezes a passos bons não ajudou: use uma taxa de "
        "aprendizado menor; {}",
    ),
    ("none of {} steps has a loss that is a number: {}", "nenhum dos {} passos tem uma perda que seja um número: {}"),
    (
        "what was learned by step {} holds numbers that are none: it was not saved",
        "o que foi aprendido até o passo {} contém números que não o são: não foi salvo",
    ),
    ("{} cannot be written ({}): {}", "não foi possível gravar {} ({}): {}"),
    (
        "{} was deleted while the training was at work in it: start it anew",
        "{} foi apagado enquanto o treino trabalhava nele: comece de novo",
    ),
    (
        "{} is learned but could not go into the library: {}",
        "{} foi aprendido, mas não pôde ir para a biblioteca: {}",
    ),
    # a training that goes on
    (
        "no run of {} under {} can be resumed: start it without --resume",
        "não há treino de {} em {} que possa continuar: comece sem --resume",
    ),
    (
        "all checkpoints in {} are damaged: start the training anew, without --resume",
        "todos os checkpoints em {} estão danificados: comece o treino de novo, sem --resume",
    ),
    (
        "{} is {}, but the run to resume was started with {}: use that again",
        "--{} é {}, mas o treino a continuar começou com {}: use o mesmo de novo",
    ),
    (
        "the run to resume was started on model {}, this is {}: take that",
        "o treino a continuar começou com o modelo {}, este é {}: use aquele",
    ),
    (
        "the run to resume was started with another {}: give the same again",
        "o treino a continuar começou com outro valor de {}: use o mesmo de novo",
    ),
    (
        "the photos are not those that {} was started with: put them back, or start anew",
        "as fotos não são aquelas com que {} começou: ponha-as de volta, ou comece de novo",
    ),
    (
        "the captions or the template are not those that {} was started with: put them back, or start anew",
        "as legendas ou o modelo de texto não são aqueles com que {} começou: ponha-os de volta, ou comece de novo",
    ),
)
