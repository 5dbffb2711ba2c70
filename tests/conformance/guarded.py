"""Arrays that end where nothing may be read or written: a kernel that goes beyond one ends the process."""
import ctypes
import mmap

import numpy as np

PAGE, NO_ACCESS = mmap.PAGESIZE, 0
mprotect = ctypes.CDLL(None, use_errno=True).mprotect
mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def guarded_bytes(size, alignment=1):
    """An array of `size` bytes, whose first has this alignment; what that costs at the end is not guarded."""
    padded = -(-size // alignment) * alignment
    usable = -(-padded // PAGE) * PAGE
    memory = mmap.mmap(-1, usable + PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    if mprotect(start + usable, PAGE, NO_ACCESS):
        raise OSError(ctypes.get_errno(), "mprotect")
    return np.frombuffer(memory, np.uint8)[usable - padded:][:size]


def guarded(array):
    """A copy of `array` in such memory."""
    copy = guarded_bytes(array.nbytes, array.itemsize).view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy
