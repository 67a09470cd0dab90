"""What may surprise in prompts (see `retrato.generation.prompt_check`), in Portuguese."""

from collections.abc import Sequence

SURPRISES: Sequence[tuple[str, str]] = (
    ("prompt, character {}: {}", "prompt, caractere {}: {}"),
    ("preview prompt, character {}: {}", "prompt das prévias, caractere {}: {}"),
    ("negative prompt, character {}: {}", "prompt negativo, caractere {}: {}"),
    ("hires prompt, character {}: {}", "prompt da segunda passada, caractere {}: {}"),
    ("hires negative prompt, character {}: {}", "prompt negativo da segunda passada, caractere {}: {}"),
    ("and more in the prompt", "e mais no prompt"),
    ("and more in the preview prompt", "e mais no prompt das prévias"),
    ("and more in the negative prompt", "e mais no prompt negativo"),
    ("and more in the hires prompt", "e mais no prompt da segunda passada"),
    ("and more in the hires negative prompt", "e mais no prompt negativo da segunda passada"),
    (
        "{} was learned with clip skip {} and is drawn with {}: take --clip-skip {}",
        "{} foi aprendido com clip skip {} e é desenhado com {}: use --clip-skip {}",
    ),
)
# What stands behind the place.
PARTS: Sequence[tuple[str, str]] = (
    ("this {} closes nothing: it is text", "este {} não fecha nada: é texto"),
    ("{} is no number: it is text, and the weight 1.1", "{} não é um número: é texto, e o peso 1.1"),
    (
        r"this backslash vanishes: write \\ for a backslash",
        r"esta barra invertida desaparece: escreva \\ para uma barra invertida",
    ),
    (
        "{} is no weight: write a number with a dot, such as 1.5",
        "{} não é um peso: escreva um número com ponto, como 1.5",
    ),
    (
        "this {} is never closed: everything after it weighs more",
        "este {} nunca é fechado: tudo depois dele pesa mais",
    ),
    (
        "this {} is never closed: everything after it weighs less",
        "este {} nunca é fechado: tudo depois dele pesa menos",
    ),
    (
        "a backslash at the end of the prompt or of a line makes all of it plain text",
        "uma barra invertida no fim do prompt ou de uma linha faz dele todo texto puro",
    ),
    (
        "this is text, no change on the way: write [from:to:when]",
        "isto é texto, e não muda no caminho: escreva [de:para:quando]",
    ),
    (
        r"a | outside of brackets makes the whole prompt plain text: write \|",
        r"um | fora de colchetes faz do prompt todo texto puro: escreva \|",
    ),
    (
        "this never appears, as {} is beyond {} steps: a weight is written (word:{})",
        "isto nunca aparece, pois {} está além dos {} passos: um peso se escreve (palavra:{})",
    ),
    ("this never changes: {} is beyond {} steps", "isto nunca muda: {} está além dos {} passos"),
    (
        "<{}> does nothing: retrato knows no such tags (it knows {})",
        "<{}> não faz nada: o retrato não conhece esse tipo (conhece {})",
    ),
    (
        "<{}> does nothing, there is none of that name: did you mean {}?",
        "<{}> não faz nada, não há nenhuma com este nome: você quis dizer {}?",
    ),
    (
        "<{}> does nothing, there is none of that name: look into the library",
        "<{}> não faz nada, não há nenhuma com este nome: veja a biblioteca",
    ),
    (
        "AND splits the prompt inside of a bracket, which breaks it apart",
        "AND divide o prompt dentro de um parêntese, que assim se quebra",
    ),
    (
        "AND is a word like any other in the negative prompt",
        "AND é uma palavra como outra no prompt negativo",
    ),
    (
        "<{}> is text in the negative prompt: tags go into the prompt",
        "<{}> é texto no prompt negativo: isto vai no prompt",
    ),
    (
        "<{}:{}> does nothing: previews are drawn with nothing but what is being learned",
        "<{}:{}> não faz nada: as prévias são desenhadas só com o que está sendo aprendido",
    ),
    ("{} is read as {} followed by {}", "{} é lido como {} seguido de {}"),
    ("{} is no embedding: did you mean {}?", "{} não é um embedding: você quis dizer {}?"),
)
