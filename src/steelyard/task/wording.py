"""How what stands in a column becomes the prompt that a model gets, for files whose completions are given."""

from dataclasses import dataclass

from steelyard.task.base import PlainText, PromptTemplate, Text, worded
from steelyard.task.rows import prompt_of


@dataclass(frozen=True)
class Wording:
    """What stands around a prompt."""

    prompt_template: PromptTemplate = "{prompt}"
    r"""Text around each prompt, for example "Q: {prompt}\nA:". On the command line \n, \t and \\ are a line break, a
    tab and a backslash."""
    chat: bool = False
    """Make each question the message of a user, which the model's chat template renders."""
    system_prompt: PlainText = ""
    """Message of the system before a chat; empty for none. Escapes as in --prompt-template."""

    def prompt(self, value: object, column: str, where: str) -> Text:
        """The prompt of a row.

        Args:
            value: what stands in its column.
            column: the column's name, for errors.
            where: the row's place, for errors.

        Raises:
            SteelyardError: it is no prompt, or does not go with the words around it.
        """
        text = prompt_of(value, column, where)
        return worded(text, self.prompt_template, self.chat, self.system_prompt, where)
