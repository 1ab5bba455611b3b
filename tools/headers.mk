# SPDX-License-Identifier: GPL-2.0-only
#
# For makefiles of programs that talk to the kernel of KSRC. Included after OUT is
# set, it sets HDRS, the headers that every object depends on, with the rule that
# makes them in $(OUT)/include; and CC, that of CROSS_COMPILE if that is set.

ifneq ($(filter default undefined,$(origin CC)),)
CC := $(CROSS_COMPILE)gcc
endif

ifneq ($(filter-out list clean,$(or $(MAKECMDGOALS),all)),)
ifeq ($(wildcard $(KSRC)/include/uapi/linux/iommufd.h),)
$(error KSRC= must name a kernel tree with include/uapi/linux/iommufd.h)
endif
endif

HDRS := $(addprefix $(OUT)/include/linux/,iommufd.h vfio.h)

# The system's own are older than the kernel that runs; as headers_install does. Compared by
# content, because KSRC may be another tree than last time
$(OUT)/include/linux/%.h: $(KSRC)/include/uapi/linux/%.h FORCE
	@mkdir -p $(@D)
	@sed -e 's/\<__user //g' -e 's/ __counted_by([a-z_]*)//' $< >$@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
.PHONY: FORCE
