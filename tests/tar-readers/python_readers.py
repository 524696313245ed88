"""Lists the files of an archive as a package of PyPI reads them: name, size and SHA-256."""

import hashlib
import importlib.util
import io
import sys
import sysconfig
import types
import warnings
from pathlib import Path


def line(name: str, data: bytes) -> None:
    sys.stdout.buffer.write(f"{name}\t{len(data)}\t{hashlib.sha256(data).hexdigest()}\n".encode())


def module_alone(path: str) -> types.ModuleType:
    """A module of an installed package without the package, which would want torch: 2 GB that read no archive."""
    file = Path(sysconfig.get_path("purelib"), path)
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def webdataset(path: str) -> None:
    from webdataset.tariterators import tar_file_iterator

    with open(path, "rb") as stream:
        # Every name, also those that its loader takes for private.
        for sample in tar_file_iterator(stream, skip_meta=None):
            line(sample["fname"], sample["data"])


def wids(path: str) -> None:
    reader = module_alone("wids/wids_tar.py").TarFileReader(path, index_file=None, verbose=False)
    for at in range(len(reader)):
        name, data = reader.get_file(at)
        line(name, data.read())
    reader.close()


def wids_mapped(path: str) -> None:
    reader = module_alone("wids/wids_mmtar.py").MMIndexedTar(path)
    for at in range(len(reader.by_index)):
        name, data = reader.get_at_index(at)
        line(name, data)
    reader.close()


class Forward(io.RawIOBase):
    """A stream that cannot seek, as one from a socket."""

    def __init__(self, file):
        self.file = file

    def readable(self):
        return True

    def readinto(self, buffer):
        return self.file.readinto(buffer)


def torchdata_loader():
    """Its loader as it is, over stand-ins for the classes of torch that it is derived from and wraps streams with."""

    class IterDataPipe:
        def __class_getitem__(cls, _):
            return cls

    class StreamWrapper:
        def __init__(self, file_obj, parent_stream=None, name=None):
            self.file_obj = file_obj

        def autoclose(self):
            pass

    for name in ["torchdata", "torchdata.datapipes", "torchdata.datapipes.utils", "torchdata.datapipes.iter"]:
        sys.modules[name] = types.ModuleType(name)
    common = types.ModuleType("torchdata.datapipes.utils.common")
    common.validate_pathname_binary_tuple = lambda data: None
    sys.modules["torchdata.datapipes.utils.common"] = common
    sys.modules["torchdata.datapipes"].functional_datapipe = lambda _: lambda pipe: pipe
    sys.modules["torchdata.datapipes.iter"].IterDataPipe = IterDataPipe
    sys.modules["torchdata.datapipes.utils"].StreamWrapper = StreamWrapper
    return module_alone("torchdata/datapipes/iter/util/tararchiveloader.py").TarArchiveLoaderIterDataPipe


def torchdata(path: str) -> None:
    with open(path, "rb") as file:
        for name, stream in torchdata_loader()([("", file)]):
            line(name, stream.file_obj.read())


def torchdata_stream(path: str) -> None:
    with open(path, "rb") as file:
        for name, stream in torchdata_loader()([("", io.BufferedReader(Forward(file)))]):
            line(name, stream.file_obj.read())


if __name__ == "__main__":
    warnings.simplefilter("error")
    globals()[sys.argv[1]](sys.argv[2])
