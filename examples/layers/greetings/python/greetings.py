"""A layer's module: what is in a layer's folder python can be imported."""

HELLO = {"de": "Hallo", "en": "Hello", "eo": "Saluton", "fr": "Bonjour"}


def hello(language):
    return HELLO.get(language, HELLO["en"])
