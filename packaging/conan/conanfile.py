# SPDX-License-Identifier: MIT
import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy, load
from conan.tools.layout import basic_layout

required_conan_version = ">=2.0"


class SyncEngineConan(ConanFile):
    name = "sync_engine"
    description = "Offline-first sync for C++20: edit locally, reconcile with any backend later"
    license = "MIT"
    homepage = "https://github.com/sync-engine/sync_engine"
    url = "https://github.com/sync-engine/sync_engine"
    topics = ("offline-first", "sync", "replication", "couchdb", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {
        "with_sqlite": [True, False],
        "with_http": [True, False],
    }
    default_options = {
        "with_sqlite": False,
        "with_http": False,
    }
    no_copy_source = True

    # The recipe packs the tree that it stands in. For the centre these three go, and a release
    # comes: config.yml and conandata.yml beside it, source() with get(), and the centre's url.
    @property
    def _project_folder(self):
        return os.path.join(self.recipe_folder, os.pardir, os.pardir)

    def set_version(self):
        if self.version:
            return
        project = load(self, os.path.join(self._project_folder, "CMakeLists.txt"))
        self.version = re.search(r"^ *VERSION ([0-9.]+)$", project, re.MULTILINE).group(1)

    def export_sources(self):
        views = ("packaging/sync_engine.natvis", "packaging/sync_engine_gdb.py")
        for pattern in ("include/*", "LICENSE", *views):
            copy(self, pattern, self._project_folder, self.export_sources_folder)

    def layout(self):
        basic_layout(self)

    def requirements(self):
        self.requires("nlohmann_json/[>=3.11 <4]")
        if self.options.with_sqlite:
            self.requires("sqlite3/[>=3.31 <4]")
        if self.options.with_http:
            self.requires("libcurl/[>=7.78 <9]")

    def package_id(self):
        self.info.clear()

    def validate(self):
        check_min_cppstd(self, 20)

    def build(self):
        pass

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        copy(
            self,
            "*.hpp",
            os.path.join(self.source_folder, "include"),
            os.path.join(self.package_folder, "include"),
        )
        for view in ("sync_engine.natvis", "sync_engine_gdb.py"):
            copy(
                self,
                view,
                os.path.join(self.source_folder, "packaging"),
                os.path.join(self.package_folder, "share", "sync_engine"),
            )

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "sync_engine")
        # The package's own target links every component; by default it would be the core's.
        self.cpp_info.set_property("cmake_target_name", "sync_engine::all")
        self._add_component("core", "sync_engine", ["nlohmann_json::nlohmann_json"])
        if self.settings.os in ["Linux", "FreeBSD"]:
            self.cpp_info.components["core"].system_libs = ["pthread"]
        if self.options.with_sqlite:
            self._add_component("sqlite", "sqlite", ["core", "sqlite3::sqlite3"])
        if self.options.with_http:
            self._add_component("http", "http", ["core", "libcurl::libcurl"])
        self._add_component("couchdb", "couchdb", ["core"])

    def _add_component(self, name, target, requires):
        component = self.cpp_info.components[name]
        component.set_property("cmake_target_name", f"sync_engine::{target}")
        component.requires = requires
        component.bindirs = []
        component.libdirs = []
