"""A function that greets in a language, with words from a layer."""

import greetings


def handler(event, context):
    language = event.get("language", "en")
    return {"message": f"{greetings.hello(language)}, {event.get('name', 'world')}!", "from": greetings.__file__}
