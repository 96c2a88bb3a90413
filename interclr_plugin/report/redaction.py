"""Which parts of a configuration nobody else should read."""
import re
from typing import Any

HIDDEN = '(hidden)'
# A whole word of the key: `num_tokens` is none.
_KEYS = re.compile(
    r'(^|_)(password|passwd|passphrase|pwd|secret|token|credentials?|cookie|'
    r'auth|authorization|bearer|(api|access|secret|private|account)_?key'
    r'(_id)?)($|_)')
_SHAPES = (
    # user:password@ of an address, and what a signed one ends with.
    (re.compile(r'(\b[a-z][a-z0-9+.-]*://)[^\s/@\'"]+@', re.I),
     rf'\1{HIDDEN}@'),
    (re.compile(
        r'([?&][^=&\s\'"]*(?:token|sig|signature|key|secret|password|auth|'
        r'credential)[^=&\s\'"]*=)[^&\s\'"#]+', re.I), rf'\1{HIDDEN}'),
    (re.compile(
        r'(-{2}[\w-]*(?:password|token|secret|key)[ =])[^\s\'"]+', re.I),
     rf'\1{HIDDEN}'),
    (re.compile(
        r'\b(?:'
        r'A(?:KIA|SIA)[A-Z0-9]{16}'  # Amazon
        r'|AIza[\w-]{35}|ya29\.[\w-]{20,}'  # Google
        r'|gh[opsur]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{20,}'
        r'|hf_[A-Za-z0-9]{20,}'  # Hugging Face
        r'|sk-[\w-]{20,}'
        r'|xox[abeoprs]-[\w-]{10,}'  # Slack
        r'|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*'  # JSON web tokens
        r'|wandb_v\d_\w{20,}|(?:local-)?[0-9a-f]{40}'  # Weights & Biases
        r')(?![\w-])'), HIDDEN),
    (re.compile(r'-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*'
                r'PRIVATE KEY-----|$)', re.DOTALL), HIDDEN),
)


def redact_text(text: str) -> str:
    """Hide what has the shape of a key, a password or a signed address.

    Args:
        text (str): Any.

    Returns:
        str: ``(hidden)`` in their places.
    """
    for shape, instead in _SHAPES:
        text = shape.sub(instead, text)
    return text


def redact(value: Any, key: str = '') -> Any:
    """Hide secrets in settings, by the names of keys and by their shapes.

    Args:
        value (Any): Of numbers, strings, lists and dicts.
        key (str): Under which it stands.

    Returns:
        Any: A copy; numbers and strings under a telling key, and at any depth
        below one, are replaced.
    """
    words = re.sub(r'(?<=[a-z0-9])(?=[A-Z])', '_', key)
    secret = bool(_KEYS.search(words.lower().replace('-', '_')))
    if isinstance(value, dict):
        return type(value)({
            name: redact(each, key if secret else str(name))
            for name, each in value.items()
        })
    if isinstance(value, (list, tuple)):
        return type(value)(redact(each, key) for each in value)
    if value is None or isinstance(value, bool):
        return value
    if secret:
        return HIDDEN
    return redact_text(value) if isinstance(value, str) else value
