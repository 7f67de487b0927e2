"""Docstrings of every style."""

from typing import Annotated

from pydantic import Field

from omni import tool


@tool
def one_line(a: int):
    """Do it."""


@tool
def no_docstring(a: int):
    return a


@tool
def empty_docstring(a: int):
    """"""


@tool
def blank_docstring(a: int):
    """   """


@tool
def paragraphs(a: int):
    """Do it.

    Then do more,
    over two lines.

        Indented.
    """


@tool
def google(a: int, b: str = "x", c: float = 1.0):
    """Do it.

    More words.

    Args:
        a: The first.
        b (str): The second,
            which goes on.
        c (float, optional): The third: with a colon.

    Returns:
        int: A number.

    Raises:
        ValueError: If wrong.
    """


@tool
def google_no_blank(a: int):
    """Do it.
    Args:
        a: The first.
    """


@tool
def google_blank_after(a: int):
    """Do it.

    Args:

        a: The first.
    """


@tool
def google_first(a: int):
    """Args:
        a: The first.
    """


@tool
def google_first_line_below(a: int):
    """
    Args:
        a: The first.

    And some text.
    """


@tool
def google_lower(a: int):
    """Do it.

    args:
        a: The first.
    """


@tool
def google_parameters(a: int, b: int):
    """Do it.

    Parameters:
        a: The first.

    Keyword Args:
        b: The second.
    """


@tool
def google_arguments(a: int, b: int):
    """Do it.

    Arguments:
        a: The first.
        b: The second.

    Note:
        After.
    """


@tool
def google_after(a: int):
    """Do it.

    Args:
        a: The first.

    Text after the section.
    """


@tool
def google_note_first(a: int):
    """Do it.

    Note:
        Careful.

    Args:
        a: The first.
    """


@tool
def google_inline_note(a: int):
    """Do it.

    Note: this is one line.

    Args:
        a: The first.
    """


@tool
def google_custom(a: int):
    """Do it.

    Background story:
        Once upon a time.

    Args:
        a: The first.
    """


@tool
def google_returns_only():
    """Do it.

    Returns:
        Something.
    """


@tool
def google_examples(a: int):
    """Do it.

    Examples:
        >>> f(1)
        2

    Args:
        a: The first.
    """


@tool
def google_example_single(a: int):
    """Do it.

    Example:
        f(1)
    """


@tool
def google_blank_lines_inside(a: int, b: int):
    """Do it.

    Args:
        a: The first.

        b: The second.

            With a paragraph.
    """


@tool
def google_odd_indent(a: int, b: int):
    """Do it.

    Args:
      a: The first.
        goes on
      b: The second.
         odd
    """


@tool
def google_unknown_parameter(a: int):
    """Do it.

    Args:
        a: The first.
        zz: Not there.
    """


@tool
def google_no_colon(a: int):
    """Do it.

    Args:
        a The first.
    """


@tool
def google_repeated(a: int):
    """Do it.

    Args:
        a: One.
        a: Two.
    """


@tool
def google_two_sections(a: int, b: int):
    """Do it.

    Args:
        a: One.

    Args:
        b: Two.
    """


@tool
def google_code(a: int):
    """Do it.

    ```
    Args:
        a: In code.
    ```

    Args:
        a: For real.
    """


@tool
def google_markdown(a: int):
    """Do **it**.

    - item: one
    - item: two

    Args:
        a: A `thing` with *marks*.
    """


@tool
def google_star(a: int):
    """Do it.

    Args:
        *a: Starred.
        a : spaced
    """


@tool
def google_raises_empty(a: int):
    """Do it.

    Raises:
        something without a colon
    """


@tool
def google_title_with_text(a: int):
    """Do it.

    Args: the arguments
        a: The first.
    """


@tool
def google_colon_text(a: int):
    """Do it: now.

    Usage:
    not indented
    """


@tool
def numpy(a: int, b: str = "x"):
    """Do it.

    More words.

    Parameters
    ----------
    a : int
        The first.
    b : str, optional
        The second,
        goes on.

    Returns
    -------
    int
        A number.
    """


@tool
def numpy_many(a: int, b: int):
    """Do it.

    Parameters
    ----------
    a, b : int
        Both.
    """


@tool
def numpy_heading(a: int):
    """Do it.

    Heading
    -------
    Some text.
    """


@tool
def numpy_notes(a: int):
    """Do it.

    Notes
    -----
    Some notes.

    Parameters
    ----------
    a
        No type.
    """


@tool
def numpy_returns():
    """Do it.

    Returns
    -------
    int
    """


@tool
def sphinx(a: int, b: str = "x"):
    """Do it.

    More words.

    :param a: The first.
    :param str b: The second,
        goes on.
    :type a: int
    :returns: A number.
    :rtype: int
    :raises ValueError: If wrong.
    """


@tool
def sphinx_only(a: int):
    """
    :param a: The first.
    """


@tool
def sphinx_returns():
    """Do it.

    :return: Something.
    """


@tool
def sphinx_type_only(a: int):
    """Do it.

    :type a: int
    """


@tool
def sphinx_other_role(a: int):
    """Do it with :class:`Thing`.

    :meta private:
    """


@tool
def tabs(a: int):
    """Do it.

	Args:
		a: Tabbed.
    """


@tool
def quoted(a: int):
    'Do "it".'


@tool
def raw(a: int):
    r"""Match \d+.

    Args:
        a: Like \w.
    """


@tool
def joined(a: int):
    "Do " "it."


@tool
def precedence(a: Annotated[int, Field(description="By field.")], b: Annotated[int, "By text."], c: int):
    """Do it.

    Args:
        a: By docs.
        b: By docs.
        c: By docs.
    """


@tool(description="By option.\n\n    Kept as it is.")
def by_option(a: int):
    """Not used.

    Args:
        a: Still used.
    """


@tool(description="")
def by_empty_option(a: int):
    """Not used."""


@tool(title="A Title", name="renamed-tool")
def by_name(a: int):
    """Do it."""


@tool
def formatted(a: int):
    f"""Not a docstring {1}."""


@tool
def trailing_spaces(a: int):
    """Do it.   

    Args:   
        a: The first.   
    """


@tool
def unicode(a: int):
    """Tue es – schön.

    Args:
        a: Größe « en mètres ».
    """


@tool
def deep_list(a: int, b: int):
    """Do it.

    Args:
        a: One of:
            - x
            - y
        b: Two.
    """


@tool
def windows_path(a: str):
    """Open C:\\temp.

    Args:
        a: Path: C:\\x.
    """


@tool
def yields_section(a: int):
    """Do it.

    Yields:
        Items.

    Todo:
        * nothing
    """


@tool
def attributes_section(a: int):
    """Do it.

    Attributes:
        x: y
    """
