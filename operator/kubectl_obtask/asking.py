"""Owns asking a person for what a template needs and was not given; without a terminal it is an error that names all of it."""

from kubectl_obtask.outcome import ExitCode, Fault
from kubectl_obtask.session import Session
from kubectl_obtask.templates import Parameter, Wanted, local
from kubectl_obtask.wording import templates as words


def complete(session: Session, wanted: Wanted) -> Fault | None:
    """Ask for everything that is missing; return why it cannot be had."""
    if not session.terminal.interactive:
        names = [each if isinstance(each, str) else each.name for each in wanted.missing()]
        said = session.say(words.MISSING, template=wanted.template.name, names=", ".join(names))
        return Fault(ExitCode.USAGE, said) if names else None
    while (each := next(wanted.missing(), None)) is not None:
        if isinstance(each, str):
            text = _asked(session, each, session.say(words.FIELDS[each]))
        else:
            _explain(session, each)
            text = _asked(session, each.name, local(each, "title", session.language))
        if text is None:
            return Fault(ExitCode.USAGE, session.say(words.MISSING, template=wanted.template.name, names=_name(each)))
        if not text:
            continue
        if isinstance(each, str):
            wanted.fields[each] = text
        else:
            wanted.parameters[each.name] = each.value(text)
    return None


def _name(each: str | Parameter) -> str:
    return each if isinstance(each, str) else each.name


def _asked(session: Session, name: str, title: str) -> str | None:
    return session.terminal.answer(session.say(words.ASK, name=name, title=f" ({title})" if title else ""))


def _explain(session: Session, parameter: Parameter) -> None:
    for line in local(parameter, "description", session.language).splitlines():
        session.terminal.note(f"  {line}")
    if parameter.confirms:
        session.terminal.note(session.say(words.TYPE_AGAIN, name=parameter.confirms))
    choices = [str(each) for each in parameter.raw.get("enum") or ()]
    if choices:
        session.terminal.note(session.say(words.ONE_OF, choices=", ".join(choices)))
