"""What the REST API takes and gives: flat values in snake_case, money as decimal text, times in ISO 8601.

`<Thing>State` is how a thing stands, as its history shows it before and after a change; `<Thing>View` adds when and
how often it changed. `New<Thing>` creates, `<Thing>Change` names what is to be different and leaves out the rest.
"""
