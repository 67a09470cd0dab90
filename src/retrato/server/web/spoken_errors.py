"""The errors that somebody who uses the page can meet, in Portuguese.

What is not here stays English, as nobody meets it on the page: errors of the command line, of the REST API and of the
server's start. So does what exactly is damaged in a file of an embedding, a hypernetwork or a model: one row says which
file cannot be used, and the library's own words follow. `--option` becomes the page's name for it, as in `spoken`.
"""

import errno
import os
from collections.abc import Sequence

from retrato.server.web.texts import FIELDS, TEXTS

Rows = Sequence[tuple[str, str]]

# What is wrong with one setting: pydantic's words behind the library's.
OF_SETTINGS: Rows = (
    ("{} is {}: input should be greater than or equal to {}", "--{} é {}: deve ser no mínimo {}"),
    ("{} is {}: input should be less than or equal to {}", "--{} é {}: deve ser no máximo {}"),
    ("{} is {}: input should be a multiple of {}", "--{} é {}: deve ser um múltiplo de {}"),
    ("{} is {}: input should be a finite number", "--{} é {}: deve ser um número finito"),
    (
        "{} is {}: input should be a valid number, unable to parse string as a number",
        "--{} é {}: deve ser um número, como 0.5",
    ),
    (
        "{} is {}: input should be a valid integer, unable to parse string as an integer",
        "--{} é {}: deve ser um número inteiro, como 20",
    ),
    (
        "{} is {}: input should be a valid integer, got a number with a fractional part",
        "--{} é {}: deve ser um número inteiro, como 20",
    ),
    ("{} is {}: input should be a valid boolean, unable to interpret input", "--{} é {}: deve ser true ou false"),
    ("{} is {}: input should be {} or {}", "--{} é {}: deve ser {} ou {}"),
    ("{} is {}: string should have at most {} characters", "--{} é {}: deve ter no máximo {} caracteres"),
)

ERRORS: Rows = (
    # settings
    ("{} is empty: say {}", "--{} está vazio: diga {}"),
    (
        "hires_sampler is {}, but there is no second pass: add --hires",
        "o eixo Hires sampler pede {}, mas não há segunda passada: marque --hires",
    ),
    (
        "seed {} with {} images goes beyond 2**63 - 1",
        "a semente {} com {} imagens passa de 2**63 - 1: escolha uma menor",
    ),
    (
        "variation_seed {} with {} images goes beyond 2**63 - 1",
        "a semente de variação {} com {} imagens passa de 2**63 - 1: escolha uma menor",
    ),
    ("sampler is {}: {}", "--sampler é {}: {}"),
    ("schedule is {}: {}", "--schedule é {}: {}"),
    (
        "sampler is {} and schedule is {}: they name two schedules, give one",
        "--sampler é {} e --schedule é {}: são duas escalas, escolha uma",
    ),
    ("schedule is {}, but {} takes only {}", "--schedule é {}, mas {} só aceita {}"),
    (
        "sampler is {}, which cannot start from pure noise as this model needs: use Euler",
        "--sampler é {}, que não sabe partir de ruído puro como este modelo precisa: use Euler",
    ),
    (
        "eta is {}, but {} takes none: leave it out, or choose DDIM or Euler a",
        "eta é {}, mas {} não usa eta: deixe de fora, ou escolha DDIM ou Euler a",
    ),
    (
        "clip_skip is {}, but {}'s text encoder has {} layers: use less",
        "--clip-skip é {}, mas o codificador de texto de {} tem {} camadas: use menos",
    ),
    ("{} is {}: {} draws multiples of {}", "--{} é {}: {} desenha múltiplos de {}"),
    ("{} is {}: pictures have 64 to {} pixels on a side", "--{} é {}: imagens têm de 64 a {} pixels de lado"),
    (
        "the width of the second pass is {}: {} draws multiples of {}",
        "a largura da segunda passada é {}: {} desenha múltiplos de {}",
    ),
    (
        "the width of the second pass is {}: pictures have 64 to {} pixels on a side",
        "a largura da segunda passada é {}: imagens têm de 64 a {} pixels de lado",
    ),
    (
        "the height of the second pass is {}: {} draws multiples of {}",
        "a altura da segunda passada é {}: {} desenha múltiplos de {}",
    ),
    (
        "the height of the second pass is {}: pictures have 64 to {} pixels on a side",
        "a altura da segunda passada é {}: imagens têm de 64 a {} pixels de lado",
    ),
    (
        "hires_upscaler is {}, which needs weights that retrato does not bring: use Lanczos",
        "--hires-upscaler é {}, que precisa de pesos que o retrato não traz: use Lanczos",
    ),
    ("hires_upscaler is {}: choose one of {}", "--hires-upscaler é {}: escolha um destes: {}"),
    # prompts
    (
        "the bracket at character {} of the prompt is inside {} open brackets, the most there may be: close some "
        "before it, or write it as \\{} if it is text",
        "o parêntese no caractere {} do prompt está dentro de {} abertos, o máximo que pode haver: feche alguns antes "
        "dele, ou escreva \\{} se for texto",
    ),
    (
        "the weight of {} is too large for a number: use smaller weights or fewer brackets",
        "o peso de {} é grande demais para um número: use pesos menores ou menos parênteses",
    ),
    (
        "{} weighs {}: at most {} can be drawn, and 1.5 is much already",
        "{} pesa {}: no máximo {} pode ser desenhado, e 1.5 já é muito",
    ),
    (
        "the embedding {} has {} vectors and a chunk of the prompt holds {}: leave its name out, or use one with fewer "
        "vectors",
        "o embedding {} tem {} vetores e cabem {} num trecho do prompt: tire o nome dele, ou use um com menos vetores",
    ),
    (
        "{} holds vectors of {}, but {} takes {}: it was made for another model",
        "{} tem vetores de {}, mas {} aceita {}: foi feito para outro modelo",
    ),
    (
        "the matrix has {} parts after the first, which would be {} prompts: {} at most, take some out",
        "a matriz tem {} partes depois da primeira, o que daria {} prompts: no máximo {}, tire algumas",
    ),
    (
        "the matrix of the {} has no part to leave out: write it as a hat|red|old",
        "a matriz do {} não tem parte que se possa tirar: escreva como a hat|red|old",
    ),
    (
        "{} prompts with {} images each are more than {}: ask for less",
        "{} prompts com {} imagens cada são mais de {}: peça menos",
    ),
    ("there is no style called {} in {}: {}", "não há estilo chamado {} em {}: {}"),
    (
        "there is a style called {} already: choose another name",
        "já há um estilo chamado {}: escolha outro nome",
    ),
    (
        "{} cannot be a style's name: use words, without a # or spaces around them",
        "{} não pode ser nome de estilo: use palavras, sem # nem espaços em volta",
    ),
    (
        "{} cannot be read as styles: {}; see docs/prompts.md",
        "não foi possível ler estilos em {}: {}; veja docs/prompts.md",
    ),
    ("there is no word list {}.txt in {}: {}", "não há lista de palavras {}.txt em {}: {}"),
    (
        "{} cannot be read as a word list: {}; give a UTF-8 text file",
        "não foi possível ler uma lista de palavras em {}: {}; ponha um arquivo de texto UTF-8",
    ),
    (
        "the wildcards of the prompt give more than {} prompts: leave some out",
        "os curingas do prompt dão mais de {} prompts: tire alguns",
    ),
    (
        "the wildcards of the prompt give more than {} characters: use fewer",
        "os curingas do prompt dão mais de {} caracteres: use menos",
    ),
    (
        "the wildcards of the prompt name one another in a circle: break it",
        "os curingas do prompt chamam uns aos outros em círculo: desfaça o círculo",
    ),
    (
        "the brace at character {} is inside {} others: close some before",
        "a chave no caractere {} está dentro de outras {}: feche algumas antes",
    ),
    ("${{}} is used and never set: write ${{}=...} before it", "${{}} é usado sem ter valor: escreva ${{}=...} antes"),
    ("there is no hypernetwork {}, there are {}: give one of them", "não há hiper-rede {}, há {}: escolha uma destas"),
    (
        "there is no hypernetwork {}, there are none yet: give one of them",
        "não há hiper-rede {}, nem outra ainda: deixe de fora",
    ),
    (
        "the strength of the hypernetwork {} is {}: write a number, such as 0.8",
        "a força da hiper-rede {} é {}: escreva um número, como 0.8",
    ),
    (
        "{} is for attention of widths {}, {} has {}: it was made for another model",
        "{} é para atenção de larguras {}, {} tem {}: foi feita para outro modelo",
    ),
    # a picture to begin with, a mask
    (
        "init_image is missing: drop the picture to begin with, or begin with words only",
        "falta a imagem: solte a imagem de que começar, ou comece só com palavras",
    ),
    (
        "mask is empty: paint over what is to change in the picture",
        "a máscara está vazia: pinte por cima do que deve mudar na imagem",
    ),
    (
        "the mask leaves nothing to repaint: paint white what is to change, or turn it round with --mask-invert",
        "a máscara não deixa nada a repintar: pinte o que deve mudar, ou inverta a máscara com --mask-invert",
    ),
    (
        "the mask is {}x{} and the picture {}x{}: give a mask of the picture's size or proportions",
        "a máscara tem {}x{} e a imagem {}x{}: use uma máscara do tamanho ou das proporções da imagem",
    ),
    (
        "resize_mode is 'latent upscale', which takes no mask: choose another one",
        "--resize-mode é “ampliar os latentes”, que não aceita máscara: escolha outro",
    ),
    ("{} cannot be read ({}): name a picture file", "não foi possível ler {} ({}): use um arquivo de imagem"),
    (
        "there is no picture {}: send it to /api/v1/pictures/upload, or name picture:<id>",
        "não há mais a imagem {}: solte-a de novo, ou comece com outra",
    ),
    (
        "{} is empty: send the bytes of a PNG, JPEG or WebP file in base64",
        "{} está em branco: pinte ou solte de novo",
    ),
    (
        "{} is not base64: send the bytes of a PNG, JPEG or WebP file in base64",
        "{} chegou com defeito: pinte ou solte de novo",
    ),
    # sheets
    (
        "axis {} cannot be read ({}): write values with commas between",
        "não foi possível ler o eixo {} ({}): separe por vírgulas",
    ),
    ("axis {} has no values: write {}=this,that", "o eixo {} não tem valores: escreva os de {} separados por vírgulas"),
    ("axis {} has {} values: at most {} fit on a sheet", "o eixo {} tem {} valores: cabem no máximo {} numa folha"),
    (
        "axis {} has the value {}: write numbers, 1-5 or 0-1 [5]",
        "o eixo {} tem o valor {}: escreva números, 1-5 ou 0-1 [5]",
    ),
    (
        "axis {} has the range {}, which does not lead from one end to the other",
        "o eixo {} tem o intervalo {}, que não leva de uma ponta à outra: troque as pontas ou o passo",
    ),
    (
        "axis Size has the value {}: write width and height, such as 512x768",
        "o eixo Size tem o valor {}: escreva largura e altura, como 512x768",
    ),
    (
        "axis {} looks for nothing: write the words to replace first, then what takes their place",
        "o eixo {} não procura nada: escreva primeiro as palavras a trocar, depois o que entra no lugar",
    ),
    (
        "axis {} looks for {}, which is in neither prompt",
        "o eixo {} procura {}, que não está em nenhum dos prompts: escreva primeiro palavras que estejam",
    ),
    (
        "axis {} looks for {}, which is not in the prompt",
        "o eixo {} procura {}, que não está no prompt: escreva palavras que estejam",
    ),
    (
        "axis {} has {} words to put into all orders: at most 4, which makes 24",
        "o eixo {} tem {} palavras para pôr em todas as ordens: no máximo 4, o que dá 24",
    ),
    (
        "axis {} has {}, but {} is not in the prompt: write the word in it",
        "o eixo {} tem {}, mas {} não está no prompt: escreva a palavra nele",
    ),
    (
        "axis {} has an empty value: name a model, such as mini",
        "o eixo {} tem um valor vazio: dê o nome de um modelo, como mini",
    ),
    ("the axes make {} pictures: at most {} fit on a sheet", "os eixos dão {} imagens: cabem no máximo {} numa folha"),
    ("a sheet shows one matrix: leave out --wildcards all", "uma folha mostra uma só matriz: não use --wildcards all"),
    (
        "a cell of a sheet has one prompt: leave out --wildcards all",
        "cada imagem da folha tem um só prompt: não use --wildcards all",
    ),
    (
        "a sheet has one prompt: leave out --wildcards all, or make an axis of it",
        "uma folha tem um só prompt: não use --wildcards all, ou faça disso um eixo",
    ),
    ("there is no checkpoint {}: there are {}", "não há checkpoint {}: há {}"),
    (
        "there is no checkpoint {}: there are none yet: train somebody first",
        "não há checkpoint {}: ainda não há nenhum, treine alguém primeiro",
    ),
    ("there is no VAE {} in the folder models: there are {}", "não há VAE {} na pasta models: há {}"),
    (
        "there is no VAE {} in the folder models: there are none yet",
        "não há VAE {} na pasta models: ainda não há nenhum",
    ),
    # models
    (
        "there is no model {} here: there are {}; put others into the folder models",
        "não há modelo {} aqui: há {}; ponha outros na pasta models",
    ),
    ("{} is not on this machine: {}", "{} não está nesta máquina: {}"),
    (
        "{} cannot be loaded, a part of it is missing or broken: {}",
        "não foi possível carregar {}, uma parte falta ou está danificada: {}",
    ),
    ("{} cannot be used: {}", "não foi possível usar {}: {}"),
    (
        "{} gave values that are not numbers, the picture would be black: use --dtype float32, or a lower CFG scale",
        "{} deu valores que não são números, e a imagem sairia preta: use --dtype float32, ou uma Escala CFG menor",
    ),
    (
        "{} has weights that are not numbers in its {} ({}): it draws black pictures, get it again or another VAE",
        "{} tem pesos que não são números em {} ({}): desenha imagens pretas, baixe de novo ou use outro VAE",
    ),
    # the gallery
    (
        "there is no picture {} in the gallery: it was removed, or never there",
        "não há imagem {} na galeria: foi apagada, ou nunca esteve lá",
    ),
    (
        "picture {} is not on the disk any more: it was removed by another program",
        "a imagem {} não está mais no disco: outro programa a apagou",
    ),
    (
        "the picture cannot be read: send a PNG, JPEG or WebP file",
        "não foi possível ler a imagem: solte um arquivo PNG, JPEG ou WebP",
    ),
    # one photo
    ("{} holds zero bytes: copy it again from where it came", "{} tem zero bytes: copie de novo de onde veio"),
    (
        "{} holds more than {} million bytes, the most that is read: save it smaller",
        "{} tem mais de {} milhões de bytes, o máximo que se lê: salve menor",
    ),
    (
        "{} holds {} bytes, at most {} are read: save it smaller",
        "{} tem {} bytes, e se leem no máximo {}: salve menor",
    ),
    (
        "{} has {} pixels, at most {} million are read: save it smaller",
        "{} tem {} pixels, e se leem no máximo {} milhões: salve menor",
    ),
    (
        "{} has far too many pixels, at most {} million are read: save it smaller",
        "{} tem pixels demais, e se leem no máximo {} milhões: salve menor",
    ),
    (
        "{} is {}x{} pixels, wanted at least {} on each side: find a larger copy of it",
        "{} tem {}x{} pixels, e são precisos no mínimo {} de cada lado: procure uma cópia maior",
    ),
    (
        "{} is a damaged or truncated picture ({}): copy or save it again",
        "{} é uma imagem danificada ou cortada ({}): copie ou salve de novo",
    ),
    (
        "{} is not a picture that can be read: it takes {}, so save it as one of these",
        "{} não é uma imagem que se possa ler: servem {}, salve como uma destas",
    ),
    (
        "{} is not a regular file, wanted a picture: take it out of the folder",
        "{} não é um arquivo comum, e devia ser uma imagem: tire da pasta",
    ),
    (
        "{} is not there (any more): put the picture back, or take it off the list",
        "{} não está (mais) lá: ponha a imagem de volta, ou tire da lista",
    ),
    (
        "{} is a link to a file that is not there: put the picture back, or take it off the list",
        "{} leva a um arquivo que não está lá: ponha a imagem de volta, ou tire da lista",
    ),
    (
        "{} cannot be read ({}): check the file and its permissions",
        "não foi possível ler {} ({}): confira o arquivo e suas permissões",
    ),
    (
        "the caption {} is not UTF-8 text: save it as UTF-8, or remove it",
        "a legenda {} não é texto UTF-8: salve como UTF-8, ou remova",
    ),
    (
        "the mask {} is {}x{} pixels, another shape than its photo: make it as large",
        "a máscara {} tem {}x{} pixels, outra forma que a foto: faça do mesmo tamanho",
    ),
    ("there is no photo {} of yours in {}: look at the set first", "não há foto {} sua em {}: abra o conjunto de novo"),
    ("there is no such picture (any more): load the page again", "essa imagem não existe (mais): recarregue a página"),
    ("the frame has no place: load the page again", "a moldura não tem lugar: recarregue a página"),
    # a set of photos
    ("there is no folder {}: name the one that holds the photos", "não há pasta {}: indique a que tem as fotos"),
    ("the folder {} cannot be read ({}): name another one", "não foi possível ler a pasta {} ({}): indique outra"),
    (
        "{} holds no photos: none of its {} entries is a picture such as .jpg or .png",
        "{} não tem fotos: nenhum dos seus {} itens é uma imagem como .jpg ou .png",
    ),
    (
        "{} holds no photos: it is empty, wanted a picture such as .jpg or .png",
        "{} não tem fotos: está vazio, e são precisas imagens como .jpg ou .png",
    ),
    (
        "there is no set of photos called {}: there are {}; send some first",
        "não há conjunto de fotos chamado {}: há {}; solte fotos primeiro",
    ),
    (
        "there is no set of photos called {}: there are none yet; send some first",
        "não há conjunto de fotos chamado {}: ainda não há nenhum; solte fotos primeiro",
    ),
    (
        "found {}, wanted at least {} of one person, better 20: add some",
        "fotos que servem: {}, e são precisas no mínimo {} de uma pessoa, melhor 20: junte algumas",
    ),
    (
        "found {} ({}), wanted at least {} of one person, better 20: add some",
        "fotos que servem: {} ({}), e são precisas no mínimo {} de uma pessoa, melhor 20: junte algumas",
    ),
    (
        "all {} photos are the same picture, wanted at least {} different ones: add others",
        "as {} fotos são a mesma imagem, e são precisas no mínimo {} diferentes: junte outras",
    ),
    (
        "the {} photos are copies of {} pictures, wanted at least {}: add others",
        "as {} fotos são cópias de {} imagens, e são precisas no mínimo {}: junte outras",
    ),
    ("{} gives latents that are not numbers: leave it out", "{} dá latentes que não são números: deixe de fora"),
    # names
    (
        "{} cannot be a name: use 1 to 64 letters, digits, `_`, `-`, `.` or spaces, a letter or digit first",
        "{} não pode ser um nome: use de 1 a 64 letras, algarismos, `_`, `-`, `.` ou espaços, começando por letra ou "
        "algarismo",
    ),
    (
        "{} cannot be a name: Windows drops a dot or space at the end, leave it out",
        "{} não pode ser um nome: o Windows apaga ponto ou espaço no fim, tire",
    ),
    (
        "{} cannot be a name: Windows keeps it for a device, choose another, such as {}-1",
        "{} não pode ser um nome: o Windows o guarda para um dispositivo, escolha outro, como {}-1",
    ),
    (
        "{} is an ordinary word of {}, every prompt that says it would change: choose another name, such as {}-1",
        "{} é uma palavra comum de {}, e todo prompt com ela mudaria: escolha outro nome, como {}-1",
    ),
    (
        "the name {} is taken by {}: choose another one, or replace it with --overwrite",
        "o nome {} já é usado por {}: escolha outro, ou marque --overwrite",
    ),
    (
        "the name {} is taken by {}: choose another, or allow overwriting",
        "o nome {} já é usado por {}: escolha outro",
    ),
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
        "the photos are not those that {} was started with: put them back, or start anew",
        "as fotos não são aquelas com que {} começou: ponha-as de volta, ou comece de novo",
    ),
    (
        "the captions or the template are not those that {} was started with: put them back, or start anew",
        "as legendas ou o modelo de texto não são aqueles com que {} começou: ponha-os de volta, ou comece de novo",
    ),
    # people, and the files that they are in
    ("there is no embedding called {} in {}: {}", "não há embedding chamado {} em {}: {}"),
    ("there is no hypernetwork called {} in {}: {}", "não há hiper-rede chamada {} em {}: {}"),
    (
        "there is nothing about {} in {}: `retrato embeddings list` shows who there is",
        "não há nada sobre {} em {}: veja quem há em Pessoas",
    ),
    (
        "{} carries its name inside the picture: convert it to safetensors, then rename that",
        "{} leva o nome dentro da imagem: converta para safetensors e renomeie esse arquivo",
    ),
    (
        "{} holds vectors of {}, this model takes {}: it was made for {}",
        "{} tem vetores de {}, este modelo aceita {}: foi feito para {}",
    ),
    (
        "{} is called {}, as {} is: rename or remove one of them",
        "{} se chama {}, como {}: renomeie ou remova um deles",
    ),
    (
        "{} is a link out of the folder: copy the file itself",
        "{} leva para fora da pasta: copie o próprio arquivo",
    ),
    (
        "{} is a link out of the folder: copy the folder itself",
        "{} leva para fora da pasta: copie a própria pasta",
    ),
    (
        "{} embeddings and {} weights were given: give each one a weight",
        "há {} embeddings e {} pesos: dê um peso a cada um",
    ),
    ("the weights are {}: use numbers, such as 0.5 and 0.5", "os pesos são {}: use números, como 0.5 e 0.5"),
    (
        "weights are {}: write one number for each person, such as 0.7, 0.3",
        "as partes são {}: escreva um número para cada pessoa, como 0.7, 0.3",
    ),
    (
        "{} holds {} vectors of {}, {} holds {} vectors of {}: blend only those of one base model and one number of "
        "vectors",
        "{} tem {} vetores de {}, {} tem {} vetores de {}: misture só os de um mesmo modelo e número de vetores",
    ),
    (
        "the vectors hold NaN or infinity, which would draw black pictures: take an earlier checkpoint",
        "os vetores contêm NaN ou infinito, que desenhariam imagens pretas: use um checkpoint anterior",
    ),
    ("it is an empty file: download or train it again", "é um arquivo vazio: baixe ou treine de novo"),
    ("it is a web page, not the file itself: download it again", "é uma página da web, não o arquivo: baixe de novo"),
    (
        "it is a Git LFS pointer, not the file itself: run `git lfs pull`",
        "é um ponteiro do Git LFS, não o arquivo: rode `git lfs pull`",
    ),
    (
        "it has {} bytes, an embedding at most {}: it is too large, a model goes elsewhere",
        "tem {} bytes, e um embedding tem no máximo {}: é grande demais, a pasta de modelos é outra",
    ),
    ("it cannot be opened ({}): make it readable", "não foi possível abrir ({}): permita a leitura"),
    ("it is a {} file under another ending: call it {}", "é um arquivo {} com outra terminação: chame de {}"),
    (
        "{} entries were found ({} …), an embedding has one, or clip_l and clip_g: it is not an embedding, a LoRA or a "
        "model goes elsewhere",
        "há {} itens ({} …), e um embedding tem um, ou clip_l e clip_g: não é um embedding, a pasta de LoRAs e modelos "
        "é outra",
    ),
    (
        "{} tensors were found, an embedding has one or two: it is a LoRA or a model",
        "há {} tensores, e um embedding tem um ou dois: é uma LoRA ou um modelo",
    ),
    (
        "it asks to run {}, a forbidden global, and such a file is only numbers: delete it",
        "pede para executar {}, o que é proibido, e um arquivo destes só tem números: apague",
    ),
    # the queue
    (
        "{} jobs are waiting, more are not taken: try again later",
        "{} trabalhos estão na fila, e não cabem mais: tente mais tarde",
    ),
    (
        "there is no job {}: it was never sent, or it was removed",
        "não há trabalho {}: nunca foi enviado, ou foi removido",
    ),
    (
        "job {} is {}: only one that was paused, cancelled or failed can go on",
        "o estado do trabalho {} é “{}”: só pode continuar um em pausa, parado ou que falhou",
    ),
    ("job {} is running: cancel it first", "o trabalho {} está em andamento: pare-o primeiro"),
    (
        "job {} is {}, there is nothing to {}: look at its result",
        "o estado do trabalho {} é “{}”, não há o que {}: veja o resultado",
    ),
    ("job {} is {}, not {}: nothing was changed", "o estado do trabalho {} é “{}”, não “{}”: nada foi mudado"),
    ("unexpected {}: the log of the server says more", "{} inesperado: o registro do servidor diz mais"),
)

# What stands in the places of the rows, where that is words.
PARTS: Rows = (
    ("what to draw", FIELDS["prompt"][2]),
    ("the word the embedding answers to, and its file name", FIELDS["name"][2]),
    ("did you mean {}?", "você quis dizer {}?"),
    ("did you mean {} or {}?", "você quis dizer {} ou {}?"),
    ("did you mean {} or {} or {}?", "você quis dizer {}, {} ou {}?"),
    ("did you mean __{}__ or __{}__?", "você quis dizer __{}__ ou __{}__?"),
    ("did you mean __{}__ or __{}__ or __{}__?", "você quis dizer __{}__, __{}__ ou __{}__?"),
    ("choose one of {}", "escolha um destes: {}"),
    ("there are {}", "há {}"),
    ("there are none yet", "ainda não há nenhum"),
    ("write it, or draw with --wildcards off", "escreva a lista, ou desenhe com --wildcards off"),
    ("`retrato models list` shows what there is", "`retrato models list` mostra o que há"),
    (
        "write a number, or pairs of rate and last step such as `0.005:100, 1e-3:1000, 1e-5`",
        "escreva um número, ou pares de taxa e último passo como `0.005:100, 1e-3:1000, 1e-5`",
    ),
    ("{}… ({} characters)", "{}… ({} caracteres)"),
    ("it has more than {} bytes", "tem mais de {} bytes"),
    ("its first line is not {}", "a primeira linha não é {}"),
    ("…", "…"),
    ("a word", "uma palavra"),
    ("the mask", "a máscara"),
    ("the picture", "a imagem"),
    ("a file", "um arquivo"),
    ("another model", "outro modelo"),
    ("JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF or BMP", "JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF ou BMP"),
    ("no usable photo", "nenhuma"),
    ("one usable photo", "uma"),
    ("two usable photos", "duas"),
    ("it is a link that leads back to itself", "é um atalho que leva a si mesmo"),
    (
        "the last good checkpoint is {}, from where the run can be resumed",
        "o último checkpoint bom é {}, e o treino pode continuar dali",
    ),
    ("nothing had been saved yet", "nada tinha sido salvo ainda"),
    *((state, TEXTS[f"state.{state}"][1]) for state in ("queued", "running", "paused", "done", "failed", "cancelled")),
    ("pause", "pausar"),
    ("cancel", "parar"),
    ("skip", "pular"),
)

_OF_THE_SYSTEM: Rows = tuple(
    (os.strerror(number), portuguese)
    for number, portuguese in (
        (errno.ENOSPC, "não há mais espaço no disco"),
        (errno.EROFS, "o disco só permite leitura"),
        (errno.EACCES, "sem permissão"),
        (errno.ENOENT, "não existe"),
        (errno.EIO, "o disco falhou"),
    )
)
# What Python and the system say about a file, alone or as the whole error of a job.
OF_FILES: Rows = (
    *_OF_THE_SYSTEM,
    *((f"{{}}: {english}", f"{{}}: {portuguese}") for english, portuguese in _OF_THE_SYSTEM),
    ("{}, {} bytes are needed", "{}, são precisos {} bytes"),
    ("{}: {}, {} bytes are needed", "{}: {}, são precisos {} bytes"),
    ("[Errno {}] {}: {}", "[Errno {}] {}: {}"),
    ("'utf-8' codec can't decode byte {} in position {}: {}", "não é texto UTF-8 (byte {} na posição {}: {})"),
)
