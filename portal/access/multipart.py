"""The parts of a form that is sent with a file (multipart/form-data), parsed as they arrive, within limits."""

from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

#: The fields beside the file: their number, and their total length in bytes, at most.
_MOST_FIELDS = 20
_LONGEST_FIELDS = 8 * 1024

#: No file's name is longer, in letters.
_LONGEST_NAME = 200


class FormBroken(Exception):  # noqa: N818 - named by what is so
    """An invalid form: cut off, without its separators, or with more fields than any page of ours has."""


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file that was sent with a form."""

    #: Without the folders that some browsers put before it.
    name: str
    content: bytes


class Parts:
    """Parses a form's body piece by piece, and keeps only the fields and the file."""

    def __init__(self, content_type: str) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not boundary:
            raise FormBroken
        self.fields: dict[str, str] = {}
        self._file: UploadedFile | None = None
        self._ended = False
        self._header, self._value = b"", b""
        self._disposition: dict[bytes, bytes] = {}
        self._data = bytearray()
        self._length = 0
        self._parts = 0
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_part_data": self._part_data,
                "on_part_end": self._part_end,
                "on_end": self._end,
            },
        )

    def take(self, piece: bytes) -> None:
        """Parse the next piece. Raises FormBroken."""
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise FormBroken from error

    def file(self) -> UploadedFile | None:
        """Return the file after the last piece; None if none was chosen. Raises FormBroken."""
        if not self._ended:
            raise FormBroken
        return self._file

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > _MOST_FIELDS:
            raise FormBroken
        self._disposition, self._data = {}, bytearray()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = parse_options_header(self._value)[1]
        self._header, self._value = b"", b""

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if b"filename" not in self._disposition:
            self._length += end - start
            if self._length > _LONGEST_FIELDS:
                raise FormBroken
        self._data += data[start:end]

    def _part_end(self) -> None:
        if b"filename" not in self._disposition:
            try:
                name = self._disposition.get(b"name", b"").decode("utf-8")
                self.fields[name] = self._data.decode("utf-8")
            except UnicodeDecodeError as error:
                raise FormBroken from error
            return
        path = self._disposition[b"filename"].decode("utf-8", "replace")
        base = path.replace("\\", "/").rpartition("/")[2]
        shown = "".join(c for c in base if c.isprintable())[-_LONGEST_NAME:]
        # A browser sends a nameless, empty part where no file was chosen.
        if shown or self._data:
            self._file = UploadedFile(shown or "?", bytes(self._data))

    def _end(self) -> None:
        self._ended = True
