# The shared object and its declarations, which maturin puts beside this package when it builds the wheel.
from typing import Any

ffi: Any
lib: Any
