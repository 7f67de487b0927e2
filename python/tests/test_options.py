"""Every option of the table is taken where the table says, and a wrong value costs that option alone."""

import inspect

import pytest

from omni import completion, prompt, resource, skill, skill_resource, tool
from omni.describe import options, programs, settings
from omni.options import OPTIONS, SECONDS_MAX


def standing_in(place):
    """Return the names of the options that may stand there and mean something to calls or clients."""
    return [name for name, option in OPTIONS.items() if place in option["at"]]


def carried_in(place):
    return [
        name
        for name in standing_in(place)
        if "carried" in OPTIONS[name] or (place == "program" and "hint" in OPTIONS[name])
    ]


def samples(name, place):
    """Return a value that the option has, and one that it cannot have."""
    option = OPTIONS[name]
    python = place not in ("front_matter", "program")
    kind = option["kind"]
    if kind == "flag":
        return (True, 1) if python else ("true", "perhaps")
    if kind == "seconds":
        most = SECONDS_MAX[place]
        return (1.5, most + 1) if python else ("1.5", str(most + 1))
    if kind == "count":
        most = option["max"]
        return (most, most + 1) if python else (str(most), str(most + 1))
    if kind == "choice":
        return option["choices"][-1], "sticky"
    if kind == "executor":
        return "spawn", "thread"
    if kind == "exceptions":
        return ("OSError", 3) if python else ("OSError, KeyError", {"a": "b"})
    if kind in ("schema", "object"):
        return {"type": "object"}, "x"
    if kind == "icons":
        return [{"src": "data:x"}], [{}]
    if kind == "texts":
        return ["a"], "a"
    if kind == "uri":
        return "notes://x", 3
    if kind == "mime_type":
        return "text/plain", "plain"
    if kind == "size":
        return 12, -1
    if kind == "annotations":
        return {"priority": 0.5}, "high"
    if kind == "function":
        return "review", 3
    return "x", 1.5


OTHERS = [(kind, name) for kind in (resource, prompt, completion) for name in standing_in(kind.__name__)]


@pytest.mark.parametrize("kind", [resource, prompt, completion])
def test_each_decorator_takes_the_options_of_the_table_in_its_order(kind):
    taken = inspect.signature(kind).parameters.values()
    names = [option.name for option in taken if option.kind is option.KEYWORD_ONLY]
    assert names == standing_in(kind.__name__)


@pytest.mark.parametrize(("kind", "name"), OTHERS)
def test_an_option_of_each_decorator_is_kept_for_those_who_read_it(kind, name):
    good = samples(name, kind.__name__)[0]

    @kind(**{name: good})
    def function(): ...

    assert getattr(function, f"__omni_{kind.__name__}__") == {name: good}


@pytest.mark.parametrize(
    ("kind", "text", "name"),
    [(resource, "notes://x", "uri"), (prompt, "ask", "name"), (completion, "x", "argument")],
)
def test_one_text_may_stand_without_its_name(kind, text, name):
    @kind(text)
    def function(): ...

    assert getattr(function, f"__omni_{kind.__name__}__") == {name: text}
    with pytest.raises(TypeError, match=f"`@{kind.__name__}` takes an? .* and keywords, not 3"):
        kind(3)


def test_a_second_name_of_an_option_means_the_same():
    @skill_resource(resource_uri="notes://x", mime_type="text/plain")
    def function(): ...

    assert function.__omni_resource__ == {"uri": "notes://x", "mime_type": "text/plain"}


def test_an_option_that_a_decorator_has_not_is_told():
    with pytest.warns(UserWarning, match="`prompt` has no option `uri`; it has name, description"):

        @prompt(uri="notes://x")
        def function(): ...


def test_the_decorator_takes_the_options_of_the_table_in_its_order():
    taken = inspect.signature(tool).parameters.values()
    assert [option.name for option in taken if option.kind is option.KEYWORD_ONLY] == standing_in("decorator")
    assert skill.tool is tool


@pytest.mark.parametrize("name", standing_in("decorator"))
def test_an_option_of_the_decorator_is_kept_for_those_who_read_it(name):
    good = samples(name, "decorator")[0]

    @tool(**{name: good})
    def function(): ...

    assert function.__omni_tool__ == {name: good}


# Without the executor: who describes for a runner runs the tools, and in one way.
@pytest.mark.parametrize("name", [name for name in standing_in("decorator") if name != "executor"])
def test_an_option_of_the_decorator_is_described(name):
    reported = []
    good, bad = samples(name, "decorator")
    without = vars(options.read({}, reported.append))
    assert vars(options.read({name: good}, reported.append)) != without
    assert reported == []
    assert vars(options.read({name: bad}, reported.append)) == without
    assert len(reported) == 1
    assert reported[0].startswith(f"`{name}=` must be ")


@pytest.mark.parametrize("name", carried_in("front_matter"))
def test_an_option_of_the_front_matter_is_described(name):
    reported = []
    good, bad = samples(name, "front_matter")
    without = settings.Settings({}, reported.append).call
    assert settings.Settings({name: good}, reported.append).call != without
    assert settings.Settings({"metadata": {name: good}}, reported.append).call != without
    assert reported == []
    if OPTIONS[name]["kind"] != "exceptions":
        assert settings.Settings({name: bad}, reported.append).call == without
        assert OPTIONS[name]["without"] in reported[0]


@pytest.mark.parametrize("name", carried_in("program"))
def test_an_option_of_a_program_is_described(name):
    reported = []
    good, bad = samples(name, "program")

    def program(more):
        described = programs.Program("x", ["ls"], {"description": "d", **more}, reported.append)
        return described.call, described.annotations

    without = program({})
    assert program({name: good}) != without
    assert reported == []
    assert program({name: bad}) == without
    assert reported[0].startswith(f"`{name}` must be ")
