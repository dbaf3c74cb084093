# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Build Python messages where ROS comes from wheels, which lack vision_msgs and tf2_msgs.

The setup.py of each of them calls `build_messages`.

The rosidl generators that the ros-jazzy wheels install turn msg/*.msg into C, C++ and Python; here
they are called, and setuptools' compiler makes of their output what a ROS installation has: four
libraries in lib/, of which rclpy loads two by name, and an extension module beside the Python
messages.  It needs gcc, g++ and the headers of Python, but neither CMake nor colcon.  C++ messages
are left out.  On a ROS installation use its own packages, ros-jazzy-vision-msgs and -tf2-msgs.
"""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
import shutil

from setuptools import Extension, setup
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext

DEPENDENCIES = ('builtin_interfaces', 'std_msgs', 'geometry_msgs')

HERE = Path.cwd()   # setuptools runs a setup.py in its folder, which has the package's name
PACKAGE = HERE.name
MESSAGES = sorted(path.stem for path in (HERE / 'msg').glob('*.msg'))
GENERATED = Path('build', 'generated')  # below HERE, where setuptools runs this file
LIBRARY_DIR = Path('build', 'libraries')
COMPILE_ARGS = ['-O1', '-g0', '-w']

GENERATOR = 'rosidl_generator_c'
# In the order of building: each library and what it links from the ros wheels, beside the library
# of the same kind of each dependency.
LIBRARIES = {
    GENERATOR: ['rosidl_runtime_c', 'rcutils'],
    'rosidl_typesupport_introspection_c': ['rosidl_typesupport_introspection_c'],
    'rosidl_typesupport_fastrtps_c': ['rosidl_typesupport_fastrtps_c',
                                      'rosidl_typesupport_fastrtps_cpp', 'fastcdr'],
    'rosidl_typesupport_c': ['rosidl_typesupport_c'],
}


def ros_prefix() -> Path:
    """Find the directory of lib/, include/ and share/ that the ros wheels filled.

    Not sys.prefix: in pip's isolated builds it is a temporary directory.
    """
    import rosidl_generator_c

    for parent in Path(rosidl_generator_c.__file__).resolve().parents:
        if (parent / 'share' / 'rosidl_generator_c').is_dir():
            return parent
    raise RuntimeError(f'no share/rosidl_generator_c above {rosidl_generator_c.__file__}; install '
                       'the ros-jazzy wheels first: pip install "eov_seg_ros[ros]"')


def generate(prefix: Path) -> None:
    """Write type hashes, C, C++ and Python sources below GENERATED, one folder per generator."""
    os.environ['AMENT_PREFIX_PATH'] = str(prefix)  # where the generators look for their templates
    from rosidl_adapter.msg import convert_msg_to_idl
    from rosidl_generator_c.cli import GenerateC
    from rosidl_generator_py.cli import GeneratePython
    from rosidl_generator_type_description.cli import HashTypeDescription
    from rosidl_typesupport_c.cli import GenerateCTypesupport
    from rosidl_typesupport_fastrtps_c.cli import GenerateFastRTPSCTypesupport
    from rosidl_typesupport_introspection_c.cli import GenerateIntrospectionCTypesupport

    shutil.rmtree(GENERATED, ignore_errors=True)

    def output(kind: str) -> Path:
        folder = (GENERATED / kind / PACKAGE).resolve()
        (folder / 'msg').mkdir(parents=True)
        return folder

    definitions = output('definitions')
    for name in MESSAGES:
        convert_msg_to_idl(HERE, PACKAGE, Path('msg', f'{name}.msg'), definitions / 'msg')
    common = (PACKAGE, [f'{definitions}:msg/{name}.idl' for name in MESSAGES],
              [str(prefix / 'share' / name) for name in DEPENDENCIES])
    hashes = HashTypeDescription('hash').generate_type_hashes(*common, definitions)
    GenerateC('c').generate(*common, output(GENERATOR), type_description_files=hashes)
    implementations = ['rosidl_typesupport_fastrtps_c', 'rosidl_typesupport_introspection_c']
    for kind, generator in {
        implementations[0]: GenerateFastRTPSCTypesupport('fastrtps_c'),
        implementations[1]: GenerateIntrospectionCTypesupport('introspection_c'),
        'rosidl_typesupport_c': GenerateCTypesupport(
            'c', typesupport_implementations=implementations),
        'python': GeneratePython('py', typesupport_implementations=['rosidl_typesupport_c']),
    }.items():
        generator.generate(*common, output(kind))
    (GENERATED / 'python' / PACKAGE / '__init__.py').touch()


def sources(kind: str) -> list[str]:
    """List a generator's sources; C++ as one unit, so that its large headers are read once."""
    folder = GENERATED / kind
    cpp = sorted(folder.rglob('*.cpp'))
    if not cpp:
        return sorted(map(str, folder.rglob('*.c')))
    unit = folder / f'{kind}.cpp'
    unit.write_text(''.join(f'#include "{path.relative_to(folder)}"\n' for path in cpp))
    return [str(unit)]


def include_dirs(prefix: Path) -> list[str]:
    """List where the generated code, the ros wheels and numpy keep their headers."""
    import numpy

    wheels = [path for path in sorted((prefix / 'include').iterdir())
              if path.is_dir() and not path.name.startswith('python')]
    return [*(str(GENERATED / kind) for kind in LIBRARIES), *map(str, wheels), numpy.get_include()]


def module(prefix: Path) -> Extension:
    """Describe the module that rclpy imports: conversions between Python and C."""
    return Extension(
        f'{PACKAGE}.{PACKAGE}_s__rosidl_typesupport_c',
        sources=sources('python'),
        include_dirs=include_dirs(prefix),
        library_dirs=[str(LIBRARY_DIR), str(prefix / 'lib')],
        libraries=[f'{PACKAGE}__{GENERATOR}', f'{PACKAGE}__rosidl_typesupport_c',
                   *(f'{name}__rosidl_generator_py' for name in DEPENDENCIES), 'rosidl_runtime_c'],
        runtime_library_dirs=['$ORIGIN/../../..'],  # from site-packages/vision_msgs to lib
        extra_compile_args=COMPILE_ARGS,
    )


def library_path(kind: str) -> Path:
    """Name the library of one kind as ROS does, which looks for it by that name."""
    return LIBRARY_DIR / f'lib{PACKAGE}__{kind}.so'


def shared_files() -> list[tuple[str, list[str]]]:
    """List what goes beside the Python packages: libraries, definitions, entries of the index."""
    index = GENERATED / 'resource_index'
    interfaces = ''.join(f'msg/{name}.idl\nmsg/{name}.msg\n' for name in MESSAGES)
    for kind, text in (('packages', ''), ('rosidl_interfaces', interfaces)):
        (index / kind).mkdir(parents=True)
        (index / kind / PACKAGE).write_text(text)
    definitions = GENERATED / 'definitions' / PACKAGE / 'msg'
    return [
        ('lib', [str(library_path(kind)) for kind in LIBRARIES]),
        (f'share/{PACKAGE}/msg', [*(f'msg/{name}.msg' for name in MESSAGES),
                                  *(str(definitions / f'{name}{suffix}')
                                    for name in MESSAGES for suffix in ('.idl', '.json'))]),
        *((f'share/ament_index/resource_index/{kind}', [str(index / kind / PACKAGE)])
          for kind in ('packages', 'rosidl_interfaces')),
    ]


class GenerateAndBuild(build):
    """Generate the sources before the ordinary build."""

    def run(self) -> None:
        """Generate, and tell setuptools what came out."""
        prefix = ros_prefix()
        with contextlib.redirect_stdout(io.StringIO()):  # the generators print every path
            generate(prefix)
        self.distribution.packages = [PACKAGE, f'{PACKAGE}.msg']
        self.distribution.package_dir = {PACKAGE: str(GENERATED / 'python' / PACKAGE)}
        self.distribution.ext_modules = [module(prefix)]
        self.distribution.data_files = shared_files()
        super().run()


class BuildLibrariesToo(build_ext):
    """Build the libraries, then the extension module that links to them."""

    def build_extensions(self) -> None:
        """Compile and link each of LIBRARIES into LIBRARY_DIR, then what setuptools knows."""
        prefix = ros_prefix()
        for kind, libraries in LIBRARIES.items():
            path = library_path(kind)
            objects = self.compiler.compile(
                sources(kind), output_dir=self.build_temp, include_dirs=include_dirs(prefix),
                extra_postargs=COMPILE_ARGS)
            own = [] if kind == GENERATOR else [f'{PACKAGE}__{GENERATOR}']
            dependencies = [f'{name}__{used}' for name in DEPENDENCIES
                            for used in dict.fromkeys((kind, GENERATOR))]
            self.compiler.link_shared_object(
                objects, str(path), libraries=[*own, *dependencies, *libraries],
                library_dirs=[str(LIBRARY_DIR), str(prefix / 'lib')],
                runtime_library_dirs=['$ORIGIN'],
                extra_postargs=[f'-Wl,-soname,{path.name}'], target_lang='c++')
        super().build_extensions()


def build_messages(version: str) -> None:
    """Build the package of the folder that setup.py is in.

    Args:
        version: The release whose definitions these are.
    """
    setup(
        name=f'eov-seg-{PACKAGE.replace("_", "-")}',
        version=version,
        description=f'{PACKAGE} for Python, for ROS 2 Jazzy from wheels',
        license='Apache-2.0',
        python_requires='>=3.10',
        has_ext_modules=lambda: True,
        install_requires=['ros-jazzy-rclpy', 'ros-jazzy-rmw-fastrtps-cpp', 'ros-jazzy-std-msgs',
                          'ros-jazzy-geometry-msgs', 'numpy>=1.26'],
        cmdclass={'build': GenerateAndBuild, 'build_ext': BuildLibrariesToo},
    )
