# SPDX-License-Identifier: GPL-2.0-only
# The top-level targets of the project; "make help" lists them. All build output goes
# into a cache directory outside the repository.

MAKEFLAGS += --no-print-directory
ARCH ?= x86_64
PREFIX ?= /usr/local
TOOLS_OUT = $(abspath $(or $(OUT),$(CACHE)/tools))
CACHE := $(or $(IOMMUFD_DIRTY_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/iommufd-dirty)

.PHONY: help
help: ## this list (the default)
	@sed -n -E -e 's/^##@ (.*)/\n\1:/p' -e 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' \
		$(firstword $(MAKEFILE_LIST)) | expand -t 24
	@echo
	@echo "Variables:"
	@echo "  STAGE=\"a b\" only those stages of check (tools/check/check.sh has the list)"
	@echo "  ARCH=arm64  for check*, kernel*, qemu, vm-shell: emulated arm64, or riscv64"
	@echo "  BASE=7.3    Linux 7.3 instead of 6.12: for demo, kernel*, check, bench, vm-shell"
	@echo "  KSRC=tree   this kernel tree instead of Debian's linux-source-6.12"
	@echo "  IOMMUFD_DIRTY_CACHE=$(CACHE)"

##@ Try
.PHONY: demo
demo: ## live pre-copy of what an NVMe controller reads, in a virtual machine
	@tools/demo/demo.sh $(DEMO)

##@ Test
.PHONY: check check-long check-static check-builds check-kunit check-vm check-vmm check-tools check-rust check-kcsan
check: ## the gate; ends with "N passed, N failed, N skipped"
	@tools/check/check.sh --arch $(ARCH) $(STAGE)
check-long: ## every test in every mode, races, mutations, analysers, other CPUs: hours
	@rc=0; sums=$$(mktemp); run() { SUMS=$$sums tools/check/check.sh "$$@" || rc=1; }; \
	run --arch x86_64 --long; run --arch arm64 --long; \
	if [ -z "$(BASE)$(KSRC)" ] && tools/setup/kernel.sh 7.3 >/dev/null; then \
		export BASE=7.3; run --arch x86_64; run --arch arm64; run --arch riscv64; \
	fi; cat $$sums; rm $$sums; exit $$rc
check-static: ## checkpatch, sparse, kernel-doc, shellcheck
	@tools/check/check.sh --arch $(ARCH) static sparse
check-builds: ## the kernel builds with IOMMUFD=m, and with the trackers off
	@tools/check/check.sh --arch $(ARCH) builds
check-kunit: ## KUnit under ARCH=um and in a virtual machine
	@tools/check/check.sh --arch $(ARCH) $(if $(filter x86_64,$(ARCH)),kunit-um) kunit-vm
check-vm: ## selftests in virtual machines; TESTS="a b" MODES="c d" limit them
	@tools/check/check.sh --arch $(ARCH) selftests
check-vmm: ## Debian's QEMU migrates a virtual machine with a device
	@tools/check/check.sh --arch $(ARCH) vmm
check-tools: ## the library and iommu-dirty: under sanitizers, and in a virtual machine
	@tools/check/check.sh tools tools-vm
check-rust: ## the Rust crate: its tests without a device, clippy, rustfmt
	@tools/check/check.sh rust
check-kcsan: ## selftests under KCSAN and kmemleak, in a separate kernel
	@tools/check/check.sh --arch $(ARCH) kcsan
.PHONY: coverage
coverage: ## which lines and branches of our code the tests run
	@tools/check/check.sh coverage

##@ The library and the command
.PHONY: lib tools install install-python
BUILD_LIB = $(MAKE) -C "$$(tools/setup/sources.sh)/tools/lib" OUT=$(TOOLS_OUT)/lib \
	PREFIX=$(PREFIX)
BUILD_TOOLS = $(MAKE) -C "$$(tools/setup/sources.sh)/tools/iommu" OUT=$(TOOLS_OUT) \
	LIB=$(TOOLS_OUT)/lib PREFIX=$(PREFIX)
lib: ## the C library; OUT=folder for the results
	@tools/setup/setup.sh tools
	@$(BUILD_LIB) all
tools: lib ## the library and the command-line tool iommu-dirty
	@$(BUILD_TOOLS) all
install: tools ## both, with their manuals; DESTDIR= PREFIX=/usr/local
	@$(BUILD_LIB) install
	@$(BUILD_TOOLS) install
install-python: ## the Python module of the library; DESTDIR= PREFIX=/usr/local
	@$(BUILD_LIB) install-python

##@ Packages
.PHONY: deb rpm kernel-deb
deb: ## Debian packages of the library and the command; OUT=folder for them
	@tools/packages/deb.sh $(OUT)
rpm: ## the same as RPMs
	@tools/packages/rpm.sh $(OUT)
kernel-deb: ## Debian packages of the kernel; CONFIG=file instead of the running kernel's
	@CONFIG='$(CONFIG)' tools/packages/kernel-deb.sh

##@ Measure
.PHONY: bench
bench: ## times the walkers natively, next to the base kernel's; BENCH=--json
	@tools/bench/bench.sh $(BENCH)

.PHONY: bench-map
bench-map: ## what mapping costs without a tracker, and beside an observer
	@tools/bench/map.sh

##@ Develop
.PHONY: kernel kernel-debug qemu vm-shell docs patches check-patches clean
kernel: ## the kernel with the overlay; prints where the image is
	@tools/overlay/build.sh --arch $(ARCH) plain
kernel-debug: ## the same with lockdep, UBSAN and fault injection
	@tools/overlay/build.sh --arch $(ARCH) debug
qemu: ## QEMU whose IOMMU sets dirty bits; prints where it is
	@tools/qemu/build.sh $(ARCH:arm64=aarch64)
vm-shell: ## a shell in a virtual machine with our kernel and edu devices
	@tools/vm/run.sh --shell $(if $(filter-out x86_64,$(ARCH)),--arch $(ARCH)) $(VM)
patches: ## series for git am on Linux 7.3, in OUT=folder
	@tools/overlay/patches.sh $(or $(OUT),$(CACHE)/patches/series)
check-patches: ## the same; applies them to an unmodified tree and builds at each step
	@tools/overlay/patches.sh --check $(or $(OUT),$(CACHE)/patches/series)
docs: ## Documentation/ as HTML; a warning is an error
	@tools/setup/docs.sh
clean: ## removes all builds (not the sources that were fetched)
	cd '$(CACHE)' 2>/dev/null || exit 0; rm -rf analyse build busybox check coverage demo docs packages patches \
		mutate selftests src tools upstream vm vmm/*/out qemu/x86_64 qemu/aarch64 qemu/riscv64
