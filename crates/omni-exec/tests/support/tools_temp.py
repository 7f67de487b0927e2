"""Tools that use the folder for temporary files, and some that abuse it."""

import os
import signal
import subprocess
import tempfile

#: Made while the skill is imported, for every call.
AT_IMPORT = tempfile.mkdtemp(prefix="at-import-")


def look():
    """Say where temporary files go, by each way to ask, and what is there."""
    ask = ["sh", "-c", 'printf %s "$TMPDIR"; test -d "$TMPDIR"']
    child = subprocess.run(ask, check=True, capture_output=True, text=True).stdout
    folder = tempfile.gettempdir()
    mode = os.stat(folder).st_mode & 0o7777
    left = sorted(name for name in os.listdir(folder) if not name.startswith("at-import-"))
    return {"folder": folder, "child": child, "variable": os.environ["TMPDIR"], "mode": mode, "left": left}


def leave(name="left.txt"):
    """Leave a file, and name it."""
    path = os.path.join(tempfile.gettempdir(), name)
    with open(path, "w") as file:
        file.write("x")
    return path


async def async_leave(name="left.txt"):
    return leave(name)


def leave_in_error():
    raise RuntimeError(f"see {leave()}")


def leave_quietly():
    leave()
    return "done"


def leave_and_take_back():
    os.remove(leave())
    return "done"


def remember_at_import():
    """Use what the import has made, which must still be there."""
    with open(os.path.join(AT_IMPORT, "counted"), "a+") as file:
        file.write("x")
        file.flush()
        file.seek(0)
        return len(file.read())


def leave_and_die(number):
    leave()
    os.kill(os.getpid(), number)


def leave_and_hang(ctx):
    leave()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    said = False
    while True:
        try:
            if not said:
                ctx.log("info", {"folder": tempfile.gettempdir()})
                said = True
            signal.pause()
        except BaseException:
            continue


def leave_a_trap(outside):
    """Leave what misleads or stops those who remove it."""
    folder = tempfile.gettempdir()
    os.symlink(outside, os.path.join(folder, "to-folder"))
    os.symlink(os.path.join(outside, "file"), os.path.join(folder, "to-file"))
    closed = os.path.join(folder, "closed", "within")
    os.makedirs(closed)
    os.symlink(outside, os.path.join(closed, "link"))
    os.mkfifo(os.path.join(closed, "pipe"))
    os.chmod(closed, 0)
    os.chmod(os.path.dirname(closed), 0o500)
    os.chdir(folder)
    for _ in range(1500):
        os.mkdir("deep")
        os.chdir("deep")
    return "done"


def remove_the_folder():
    """Remove the folder itself, with all that is in it."""
    import shutil

    shutil.rmtree(tempfile.gettempdir())
    return "done"


def exchange_the_folder(outside):
    """Put a link in the folder's place."""
    folder = tempfile.gettempdir()
    os.rename(folder, folder + ".aside")
    os.symlink(outside, folder)
    return "done"


def mislead_the_descriptor(outside):
    """Have every descriptor of the worker's own that is a folder mean another one."""
    leave()
    other = os.open(outside, os.O_RDONLY)
    for number in map(int, os.listdir("/proc/self/fd")):
        try:
            if number != other and os.path.isdir(f"/proc/self/fd/{number}"):
                os.dup2(other, number)
        except OSError:
            continue
    return "done"


def send_elsewhere(folder):
    """Have later calls look elsewhere for temporary files."""
    tempfile.tempdir = folder
    os.environ["TMPDIR"] = folder
    return "done"


def use_multiprocessing():
    """Use what multiprocessing keeps among temporary files for as long as the process lives."""
    from multiprocessing import util

    folder = util.get_temp_dir()
    return os.path.isdir(folder)


def leave_many(count):
    folder = tempfile.gettempdir()
    for number in range(count):
        with open(os.path.join(folder, f"file-{number}"), "w"):
            pass
    return "done"
