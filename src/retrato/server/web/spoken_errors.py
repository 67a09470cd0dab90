"""The errors that somebody who uses the page can meet, in Portuguese; `spoken_drawing`, `spoken_training` have more.

What is not here stays English, as nobody meets it on the page: errors of the command line, of the REST API and of the
server's start. So does what exactly is damaged in a file of an embedding, a hypernetwork or a model: one row says which
file cannot be used, and the library's own words follow. `--option` becomes the page's name for it, as in `spoken`.
"""

import errno
import os
from collections.abc import Sequence

from retrato.server.web.fields import FIELDS
from retrato.server.web.spoken_drawing import OF_DRAWING
from retrato.server.web.spoken_training import OF_TRAINING
from retrato.server.web.texts import TEXTS

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
    *OF_DRAWING,
    *OF_TRAINING,
    # one photo
    (
        "{} is a TIFF of more than 8 bits with each colour apart (planar), which is not read: save it interleaved, or "
        "with 8 bits",
        "{} é um TIFF de mais de 8 bits com cada cor à parte (planar), que não é lido: salve-o intercalado, ou com 8 "
        "bits",
    ),
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
    ("{} is not there any more: drop it again", "{} não está mais aqui: solte de novo"),
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
    ("there is no photo {} in {}: look at the set first", "não há foto {} em {}: abra o conjunto de novo"),
    (
        "{} is a mask, and there is no photo {} here: send the photo first",
        "{} é uma máscara, e não há foto {} aqui: solte a foto primeiro",
    ),
    (
        "there are {} photos in this set, more are not taken: send them to another set",
        "há {} fotos neste conjunto, e não cabem mais: mande-as para outro conjunto",
    ),
    (
        "the photos of {} are shared, and nobody changes them here: choose another name for photos of your own",
        "as fotos de {} são compartilhadas, e ninguém as muda aqui: escolha outro nome para as suas",
    ),
    (
        "job {} works with the photos of {}: cancel it first",
        "o trabalho {} usa as fotos de {}: pare-o primeiro",
    ),
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
        "{} tokens were found ({}), an embedding has one: save each in a file of its own",
        "há {} tokens ({}), e um embedding tem um: salve cada um em um arquivo próprio",
    ),
    (
        "{} tensors were found, an embedding has one or two: it is a LoRA or a model",
        "há {} tensores, e um embedding tem um ou dois: é uma LoRA ou um modelo",
    ),
    (
        "it asks to run {}, a forbidden global, and such a file is only numbers: delete it",
        "pede para executar {}, o que é proibido, e um arquivo destes só tem números: apague",
    ),
    (
        "the model has no name: `retrato models list` shows what there is",
        "o modelo não tem nome: `retrato models list` mostra o que há",
    ),
    # the queue
    (
        "{} jobs are waiting, more are not taken: try again later",
        "{} trabalhos estão na fila, e não cabem mais: tente mais tarde",
    ),
    (
        "{} jobs of yours are waiting, more are not taken: try again later",
        "{} trabalhos seus estão na fila, e não cabem mais: tente mais tarde",
    ),
    (
        "your photos, pictures and trainings take {} GB, {} are the most: delete pictures or sets of photos, or forget "
        "somebody",
        "suas fotos, imagens e treinamentos ocupam {} GB, e o máximo é {}: apague imagens ou conjuntos de fotos, ou "
        "esqueça alguém",
    ),
    (
        "there is no job {}: it was never sent, or it was removed",
        "não há trabalho {}: nunca foi enviado, ou foi removido",
    ),
    (
        "job {} is {}: only one that was paused, cancelled or failed can go on",
        "o estado do trabalho {} é “{}”: só pode continuar um em pausa, parado ou que falhou",
    ),
    (
        "somebody else's training of {} is not over: wait until it is",
        "o treino de {} de outra pessoa não terminou: espere até que termine",
    ),
    (
        "{} cannot be removed ({}): end what has it open, then forget {} once more",
        "não dá para remover {} ({}): feche o que o mantém aberto e mande esquecer {} de novo",
    ),
    ("job {} is running: cancel it first", "o trabalho {} está em andamento: pare-o primeiro"),
    (
        "job {} is {}, there is nothing to {}: look at its result",
        "o estado do trabalho {} é “{}”, não há o que {}: veja o resultado",
    ),
    ("job {} is {}, not {}: nothing was changed", "o estado do trabalho {} é “{}”, não “{}”: nada foi mudado"),
    (
        "the program ended {} times in a row while it was at this job: nothing it had made is lost; end what else "
        "fills the memory, or ask for less (smaller pictures, smaller batches), and let it go on",
        "o programa terminou {} vezes seguidas durante este trabalho: nada do que foi feito se perdeu; feche o que "
        "mais ocupa a memória, ou peça menos (imagens menores, lotes menores), e deixe continuar",
    ),
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
