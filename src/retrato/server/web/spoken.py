"""What the library says, in Portuguese: here about photos and trainings.

`spoken_errors` has its errors, `spoken_surprises` what it says about prompts. A sentence that
stands in no row is shown as the library made it, but for the options of the command line in it.
"""

import re
from collections.abc import Sequence
from functools import cache

from retrato.files import fault
from retrato.home import within
from retrato.server.web.fields import FIELDS
from retrato.server.web.site import Site, label
from retrato.server.web.spoken_errors import ERRORS, OF_FILES, OF_SETTINGS
from retrato.server.web.spoken_errors import PARTS as PARTS_OF_ERRORS
from retrato.server.web.spoken_surprises import PARTS as PARTS_OF_SURPRISES
from retrato.server.web.spoken_surprises import SURPRISES

# English and Portuguese; {} is a number, a name, or one of PARTS.
SENTENCES: Sequence[tuple[str, str]] = (
    # on one photo
    (
        "small: {}x{} pixels, less than the {} it will be trained at",
        "pequena: {}x{} pixels, menos que os {} usados no treino",
    ),
    ("too dark: even its bright parts are nearly black", "escura demais: até as partes claras são quase pretas"),
    ("too bright: even its dark parts are nearly white", "clara demais: até as partes escuras são quase brancas"),
    (
        "flat: hardly any difference between its light and dark parts",
        "sem contraste: quase não há diferença entre partes claras e escuras",
    ),
    (
        "blurred: {} has no sharp edge at the training size",
        "desfocada: {} não tem contorno nítido no tamanho do treino",
    ),
    (
        "no face found: it is turned away, covered or too small",
        "nenhum rosto encontrado: está virado, coberto ou pequeno demais",
    ),
    (
        "{} faces: crop it to the one person, or it teaches a mixture",
        "{} rostos: recorte a pessoa certa, ou se aprende uma mistura",
    ),
    (
        "small face: {} pixels high at the training size, crop closer",
        "rosto pequeno: {} pixels de altura no tamanho do treino, recorte mais de perto",
    ),
    (
        "another person? The face differs from the others by {} (one person: up to 0.6)",
        "outra pessoa? O rosto difere dos outros em {} (a mesma pessoa: até 0.6)",
    ),
    ("{} as {}, which is the better one", "{} que {}, que é a melhor"),
    # on a set
    ("{} cannot be used: replace or remove it.", "{} não pode ser usada: troque ou remova."),
    ("{} cannot be used: replace or remove them.", "{} não podem ser usadas: troque ou remova."),
    (
        "Look at {}: drop or replace what does not show the person well.",
        "Olhe de novo {}: deixe de fora ou troque o que não mostra bem a pessoa.",
    ),
    (
        "{} usable photos are few: about {} give a better likeness.",
        "{} fotos que servem são poucas: umas {} dão mais semelhança.",
    ),
    (
        "{} photos are many: the best {} of them teach as much and take less time.",
        "{} fotos são muitas: as {} melhores ensinam o mesmo em menos tempo.",
    ),
    (
        "{} of {} photos have about the same background ({}): add some in other places, or it becomes part of the "
        "person.",
        "{} de {} fotos têm quase o mesmo fundo ({}): junte algumas de outros lugares, ou ele vira parte da pessoa.",
    ),
    (
        "{} of {} photos show clothes of about the same colour ({}): add some in other clothes, or it becomes part of "
        "the person.",
        "{} de {} fotos mostram roupas de quase a mesma cor ({}): junte algumas com outras roupas, ou ela vira parte "
        "da pessoa.",
    ),
    (
        "All {} faces look the same way: add some turned to either side.",
        "Os {} rostos olham todos para o mesmo lado: junte alguns virados para cada lado.",
    ),
    (
        "All photos are lit much alike: add some in other light, indoors and out, by day and by lamp.",
        "A luz é quase a mesma em todas as fotos: junte algumas com outra luz, dentro e fora, de dia e com lâmpada.",
    ),
    (
        "How much of the person {} of {} photos show could not be told without a face finder: see to it that of {} "
        "about 3 show all of the body, 5 half of it and 12 the face.",
        "Não foi possível saber quanto da pessoa {} de {} fotos mostram sem procurar rostos: cuide que, de {}, umas 3 "
        "mostrem o corpo inteiro, 5 meio corpo e 12 o rosto.",
    ),
    (
        "Add {} photos: found {} full-body, {} half-body, {} close-up; of {}, 3, 5 and 12 are a good mix.",
        "Junte fotos {}: há {} de corpo inteiro, {} de meio corpo e {} de perto; de {}, uma boa mistura é 3, 5 e 12.",
    ),
    (
        "Too few faces were found (in drawings hardly any is): nobody checked who is in the photos.",
        "Poucos rostos foram encontrados (em desenhos quase nunca há): ninguém conferiu quem está nas fotos.",
    ),
    # on a training
    (
        "all {} steps are done, and the loss was still falling: more steps may do better",
        "todos os {} passos foram feitos e a perda ainda caía: mais passos podem dar um resultado melhor",
    ),
    ("all {} steps are done", "todos os {} passos foram feitos"),
    (
        "no photo has a caption, so clothes and rooms are learned along with the person: write .txt files beside the "
        "photos, or once `{}`",
        "nenhuma foto tem legenda, e roupas e ambientes são aprendidos junto com a pessoa: escreva arquivos .txt ao "
        "lado das fotos, ou uma só vez `{}`",
    ),
    (
        "the loss on the {} has settled: no gain of {} in {} evaluations, least {} at step {}",
        "a perda nas {} se estabilizou: nenhum ganho de {} em {} avaliações, a menor {} no passo {}",
    ),
    (
        "the best of {} steps, {}, has a likeness of {}, which is little: training goes on, to step {} at most",
        "o melhor de {} passos, {}, tem semelhança {}, o que é pouco: o treino continua, até no máximo o passo {}",
    ),
    (
        "there was little likeness after {} steps, so training went on",
        "depois de {} passos havia pouca semelhança, e o treino continuou",
    ),
    (
        "steps skipped, as their loss was not a number: {} of {}",
        "passos pulados, pois a perda não era um número: {} de {}",
    ),
    (
        "{} has the least loss on the {}, {}; there was no scorer for pictures",
        "{} tem a menor perda nas {}, {}; não havia avaliador de imagens",
    ),
    ("{} is the last; no loss on photos is known of any", "{} é o último; de nenhum se conhece a perda em fotos"),
    (
        "{}; that is little likeness: other photos or a closer start may do better",
        "{}; é pouca semelhança: outras fotos ou um começo mais próximo podem dar um resultado melhor",
    ),
    (
        "{}; that is little likeness: more steps may do better",
        "{}; é pouca semelhança: mais passos podem dar um resultado melhor",
    ),
    (
        "{} scores best against {}: likeness {}, prompt fidelity {}, together {}",
        "{} tem a melhor nota com {}: semelhança {}, fidelidade ao prompt {}, juntas {}",
    ),
    (
        "{} is kept: {} is the best of those since then, with {}, and this one has likeness {}, prompt fidelity {}, "
        "together {}",
        "{} fica: {} é o melhor dos que vieram depois, com {}, e este tem semelhança {}, fidelidade ao prompt {}, "
        "juntas {}",
    ),
    (
        "{} is the earliest within one standard error of the best, {} with {}, against {}: likeness {}, prompt "
        "fidelity {}, together {}",
        "{} é o primeiro a um erro padrão do melhor, {} com {}, com {}: semelhança {}, fidelidade ao prompt {}, "
        "juntas {}",
    ),
)
PARTS: Sequence[tuple[str, str]] = (
    ("its face", "o rosto"),
    ("it", "a foto"),
    ("mirrored, nearly the same picture", "espelhada, quase a mesma foto"),
    ("mirrored, the same picture", "espelhada, a mesma foto"),
    ("nearly the same picture", "quase a mesma foto"),
    ("the same picture", "a mesma foto"),
    ("full-body", "de corpo inteiro"),
    ("half-body", "de meio corpo"),
    ("close-up", "de perto"),
    ("full-body and {}", "de corpo inteiro e {}"),
    ("half-body and {}", "de meio corpo e {}"),
    ("{} and {} more", "{} e mais {}"),
    ("held-out photos", "fotos reservadas"),
    ("photos it never saw", "fotos que ele nunca viu"),
    ("the photos it was trained on, as none were held out", "as fotos do treino, pois nenhuma foi reservada"),
    ("photos", "fotos"),
    ("the moving average at step {}", "a média no passo {}"),
    ("step {}", "o passo {}"),
)

WHOLE = (*SENTENCES, *OF_SETTINGS, *ERRORS, *OF_FILES, *SURPRISES)
ROWS = (*WHOLE, *PARTS, *PARTS_OF_ERRORS, *PARTS_OF_SURPRISES)  # whatever can stand in a place of another row
LONGEST = 1000  # characters; more is what somebody wrote, not the library
OF_THE_SERVER = ("device", "dtype", "model")


def spoken(site: Site, sentence: str) -> str:
    """Gives a sentence of the library in the language of the page, with the page's controls for the options in it."""
    is_read = site.language != "en" and len(sentence) <= LONGEST
    translated = (_translated(sentence) if is_read else None) or sentence
    return re.sub("--([a-z]+(?:[-_][a-z]+)*)( all| off)?", lambda option: _control(site, option), translated)


def spoken_error(site: Site, error: Exception) -> str:
    """Gives what an error says, as `spoken` does, with files named as they lie in the home folder."""
    said = fault(error) if isinstance(error, OSError) else str(error)
    return spoken(site, within(site.service.home, said))


def _control(site: Site, option: re.Match[str]) -> str:
    """Gives the control for an option of the command line, or a setting, or the server's command; others stay."""
    name, choice = option[1].replace("-", "_"), option[2]
    if name in OF_THE_SERVER:
        return f"retrato serve {option[0]}"
    if name == "resume":
        return f"“{site('train.resume')}”"
    if name == "wildcards" and choice:
        return f"“{label(site, name)}: {site(f'draw.wildcards.{choice.strip()}')}”"
    if name in FIELDS:
        return f"“{label(site, name)}”{choice or ''}"
    return option[0].removeprefix("--") if "_" in option[0] else option[0]  # a setting that is no option


def _translated(text: str, *, is_part: bool = False) -> str | None:
    """Gives `text` by its row, and so what stands in the row's places; None where it is in no row.

    Of several rows it is the one whose own words begin first: the others are those of a sentence within it, or of what
    a place holds. Of those that begin alike it is the one with most words of its own.
    """
    several = [_translated(each, is_part=is_part) for each in text.split("; ")] if "; " in text else [None]
    if None not in several:
        return "; ".join(map(str, several))
    rows = ROWS if is_part else WHOLE
    matches = [(found, row) for row in rows if (found := pattern_of(row[0]).fullmatch(text))]
    if not matches:
        return None
    found, (_, portuguese) = min(matches, key=_begins)
    return filled(portuguese, [_translated(part, is_part=True) or part for part in found.groups()])


def _begins(match: tuple[re.Match[str], tuple[str, str]]) -> tuple[int, int]:
    found, (english, _) = match
    return found.end(1) if english.startswith("{}") else 0, -len(english.replace("{}", ""))


@cache
def pattern_of(english: str) -> re.Pattern[str]:
    """Gives what finds the sentences of a row."""
    return re.compile("(.+?)".join(re.escape(part) for part in english.split("{}")), re.DOTALL)


def filled(portuguese: str, parts: Sequence[str]) -> str:
    """Gives a row's sentence with `parts` in its places; other braces are text."""
    return "".join(text + part for text, part in zip(portuguese.split("{}"), (*parts, ""), strict=True))
