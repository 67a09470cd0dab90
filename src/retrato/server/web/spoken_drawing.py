"""The errors of drawing that somebody who uses the page can meet, in Portuguese.

Of settings, prompts, pictures to begin with, sheets, models and the gallery; `spoken_errors` has the others.
"""

from collections.abc import Sequence

OF_DRAWING: Sequence[tuple[str, str]] = (
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
    (
        "batch_size is {}: pictures of {}x{} are drawn {} at once at most, take {} or smaller pictures",
        "--batch-size é {}: imagens de {}x{} são desenhadas no máximo {} por vez, use {} ou imagens menores",
    ),
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
    (
        "axis {} has more than {} values: at most {} fit on a sheet",
        "o eixo {} tem mais de {} valores: cabem no máximo {} numa folha",
    ),
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
    (
        "the sheet would have {} megapixels, at most {} can be opened again: take fewer values, or smaller pictures",
        "a folha teria {} megapixels, e se abrem de novo no máximo {}: use menos valores, ou imagens menores",
    ),
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
        "there is too little memory on {} for a single picture: take a smaller size, close other programs, or use a "
        "smaller model",
        "falta memória em {} até para uma só imagem: use um tamanho menor, feche outros programas, ou use um modelo "
        "menor",
    ),
    (
        "there is too little memory on {} for the VAE: take a smaller size, or close other programs",
        "falta memória em {} para o VAE: use um tamanho menor, ou feche outros programas",
    ),
    (
        "{} does not fit into the memory of {}: close other programs, or use a smaller model",
        "{} não cabe na memória de {}: feche outros programas, ou use um modelo menor",
    ),
    (
        "{} has weights that are not numbers in its {} ({}): it draws black pictures, get it again or another VAE",
        "{} tem pesos que não são números em {} ({}): desenha imagens pretas, baixe de novo ou use outro VAE",
    ),
    # what a picture says that is drawn again
    (
        "the embedding {} is not in {}: its name is drawn as plain words",
        "o embedding {} não está em {}: o nome é desenhado como palavras comuns",
    ),
    (
        "the embedding {} has changed since ({} then, {} now): expect another picture",
        "o embedding {} mudou desde então ({} antes, {} agora): a imagem sai diferente",
    ),
    (
        "it was drawn before 2023, so numbers in [from:to:when] mean what they meant then",
        "foi desenhada antes de 2023, e números em [de:para:quando] significam o que significavam então",
    ),
    (
        "it also says {}, which retrato does not do: they are left out",
        "ela também diz {}, que o retrato não faz: fica de fora",
    ),
    (
        "another program drew it, whose noise is another one: expect a similar picture, not the same",
        "outro programa a desenhou, com outro ruído: sai uma imagem parecida, não a mesma",
    ),
    (
        "it says the upscaler {}, which retrato does not bring: Lanczos takes its place",
        "ela diz a ampliação {}, que o retrato não traz: fica Lanczos no lugar dela",
    ),
    (
        "it says the schedule {}, which retrato does not know: Automatic takes its place",
        "ela diz a escala {}, que o retrato não conhece: fica Automatic no lugar dela",
    ),
    (
        "it says the schedule {}, of which {} takes no notice: it is left out",
        "ela diz a escala {}, que não faz diferença para {}: fica de fora",
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
)
