// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
//! `<linux/iommufd_dirty.h>`, under the names of the header, which describes all of it; of
//! `<linux/iommufd.h>` and `<errno.h>`, what this crate needs.
//!
//! The tests compare every struct, member and constant with the C compiler's answers.
// The header has the documentation of each, and of the errors of each ioctl
#![allow(missing_docs, non_camel_case_types)]

use std::os::raw::{c_int, c_ulong};

extern "C" {
    /// The C library's. `IOMMU_DIRTY_*` numbers are its `request`, and take one pointer
    pub fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
}

macro_rules! structs {
    ($(struct $name:ident { $($field:ident: $type:ty,)* })*) => {
        $(
            #[repr(C)]
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub struct $name {
                $(pub $field: $type,)*
            }

            impl Default for $name {
                /// All zero
                fn default() -> Self {
                    // SAFETY: the fields are integers and arrays of integers
                    unsafe { std::mem::zeroed() }
                }
            }
        )*

        /// Name, size, alignment, and the fields with type, offset and size of each struct
        #[cfg(test)]
        pub(crate) fn structs() -> Vec<crate::tests::layout::Struct> {
            vec![$({
                let s = $name::default();
                let base = std::ptr::addr_of!(s) as usize;
                crate::tests::layout::Struct {
                    name: stringify!($name),
                    size: std::mem::size_of::<$name>(),
                    align: std::mem::align_of::<$name>(),
                    fields: vec![$((
                        stringify!($field),
                        stringify!($type),
                        std::ptr::addr_of!(s.$field) as usize - base,
                        std::mem::size_of::<$type>(),
                    ),)*],
                }
            },)*]
        }
    };
}

macro_rules! constants {
    ($($name:ident = $value:expr,)*) => {
        $(pub const $name: u32 = $value;)*

        /// Name and value of each
        #[cfg(test)]
        pub(crate) fn constants() -> Vec<(&'static str, u32)> {
            vec![$((stringify!($name), $name),)*]
        }
    };
}

/// `_IO(IOMMUFD_TYPE, cmd)`
const fn io(cmd: u32) -> u32 {
    IOMMUFD_TYPE << 8 | cmd
}

constants! {
    IOMMUFD_CMD_DIRTY_BASE = 0xC0,
    IOMMUFD_CMD_DIRTY_TRACKER_ALLOC = 0xC0,
    IOMMUFD_CMD_DIRTY_TRACKER_INFO = 0xC1,
    IOMMUFD_CMD_DIRTY_TRACKER_START = 0xC2,
    IOMMUFD_CMD_DIRTY_TRACKER_STOP = 0xC3,
    IOMMUFD_CMD_DIRTY_TRACKER_READ = 0xC4,
    IOMMUFD_CMD_DIRTY_TRACKER_SCAN = 0xC5,
    IOMMUFD_CMD_DIRTY_TRACKER_UNMAP = 0xC6,
    IOMMUFD_CMD_DIRTY_TRACKER_UPDATE = 0xC7,
    IOMMUFD_CMD_DIRTY_LIST = 0xC8,
    IOMMUFD_CMD_DIRTY_TRACKER_MARK = 0xC9,

    IOMMU_DIRTY_TRACKER_ALLOC = io(IOMMUFD_CMD_DIRTY_TRACKER_ALLOC),
    IOMMU_DIRTY_TRACKER_INFO = io(IOMMUFD_CMD_DIRTY_TRACKER_INFO),
    IOMMU_DIRTY_TRACKER_START = io(IOMMUFD_CMD_DIRTY_TRACKER_START),
    IOMMU_DIRTY_TRACKER_STOP = io(IOMMUFD_CMD_DIRTY_TRACKER_STOP),
    IOMMU_DIRTY_TRACKER_READ = io(IOMMUFD_CMD_DIRTY_TRACKER_READ),
    IOMMU_DIRTY_TRACKER_SCAN = io(IOMMUFD_CMD_DIRTY_TRACKER_SCAN),
    IOMMU_DIRTY_TRACKER_UNMAP = io(IOMMUFD_CMD_DIRTY_TRACKER_UNMAP),
    IOMMU_DIRTY_TRACKER_UPDATE = io(IOMMUFD_CMD_DIRTY_TRACKER_UPDATE),
    IOMMU_DIRTY_LIST = io(IOMMUFD_CMD_DIRTY_LIST),
    IOMMU_DIRTY_TRACKER_MARK = io(IOMMUFD_CMD_DIRTY_TRACKER_MARK),

    IOMMU_DIRTY_ALLOC_PASSIVE = 1 << 0,
    IOMMU_DIRTY_ALLOC_FILE = 1 << 1,

    IOMMU_DIRTY_FMT_UNKNOWN = 0,
    IOMMU_DIRTY_FMT_VTD_SS = 1,
    IOMMU_DIRTY_FMT_VTD_FS = 2,
    IOMMU_DIRTY_FMT_AMD_V1 = 3,
    IOMMU_DIRTY_FMT_AMD_V2 = 4,
    IOMMU_DIRTY_FMT_ARM_S1 = 5,
    IOMMU_DIRTY_FMT_ARM_S2 = 6,
    IOMMU_DIRTY_FMT_RISCV = 7,

    IOMMU_DIRTY_REASON_OK = 0,
    IOMMU_DIRTY_REASON_NO_DRIVER = 1,
    IOMMU_DIRTY_REASON_NO_HW = 2,
    IOMMU_DIRTY_REASON_NOT_REQUESTED = 3,
    IOMMU_DIRTY_REASON_NEST_PARENT = 4,
    IOMMU_DIRTY_REASON_ENABLE_FAILED = 5,
    IOMMU_DIRTY_REASON_INCOHERENT = 6,
    IOMMU_DIRTY_REASON_UNBOUND = 7,
    IOMMU_DIRTY_REASON_NO_BBML = 8,

    IOMMU_DIRTY_MEMBER_HWPT = 1,
    IOMMU_DIRTY_MEMBER_ACCESS = 2,
    IOMMU_DIRTY_MEMBER_DEVICE = 3,

    IOMMU_DIRTY_MEMBER_TRACKED = 1 << 0,
    IOMMU_DIRTY_MEMBER_AUTO = 1 << 1,
    IOMMU_DIRTY_MEMBER_LIVE = 1 << 2,
    IOMMU_DIRTY_MEMBER_QUIESCES = 1 << 3,
    IOMMU_DIRTY_MEMBER_QUIESCES_P2P = 1 << 4,
    IOMMU_DIRTY_MEMBER_SPLITS = 1 << 5,

    IOMMU_DIRTY_STATE_STOPPED = 0,
    IOMMU_DIRTY_STATE_STARTING = 1,
    IOMMU_DIRTY_STATE_RUNNING = 2,

    IOMMU_DIRTY_TRACKER_DEGRADED = 1 << 0,
    IOMMU_DIRTY_TRACKER_BLIND = 1 << 1,
    IOMMU_DIRTY_TRACKER_PASSIVE = 1 << 2,
    IOMMU_DIRTY_TRACKER_GONE = 1 << 3,

    IOMMU_DIRTY_START_DEGRADED = 1 << 0,
    IOMMU_DIRTY_START_SPLIT = 1 << 1,
    IOMMU_DIRTY_START_SPLIT_LAZY = 1 << 2,

    IOMMU_DIRTY_READ_NO_CLEAR = 1 << 0,
    IOMMU_DIRTY_READ_SPARSE = 1 << 1,

    IOMMU_DIRTY_UPDATE_GAP_DIRTY = 1 << 0,

    IOMMU_DIRTY_OBJECT_IOAS = 1,
    IOMMU_DIRTY_OBJECT_HWPT = 2,
    IOMMU_DIRTY_OBJECT_HWPT_NESTED = 3,
    IOMMU_DIRTY_OBJECT_DEVICE = 4,
    IOMMU_DIRTY_OBJECT_TRACKER = 5,

    IOMMU_DIRTY_OBJECT_AUTO = 1 << 1,
    IOMMU_DIRTY_OBJECT_PASSIVE = 1 << 2,
    IOMMU_DIRTY_OBJECT_TYPE1 = 1 << 3,
    IOMMU_DIRTY_OBJECT_PASID = 1 << 4,

    IOMMU_OPTION_DIRTY_TRACKABLE = 0xC0,

    // <linux/iommufd.h>
    IOMMUFD_TYPE = b';' as u32,
    IOMMUFD_CMD_DESTROY = 0x80,
    IOMMU_DESTROY = io(IOMMUFD_CMD_DESTROY),
    IOMMUFD_CMD_OPTION = 0x87,
    IOMMU_OPTION = io(IOMMUFD_CMD_OPTION),
    IOMMU_OPTION_OP_SET = 0,

    // <errno.h>
    ENOENT = 2,
    EINTR = 4,
    EIO = 5,
    ENXIO = 6,
    E2BIG = 7,
    ENOMEM = 12,
    EFAULT = 14,
    EBUSY = 16,
    ENODEV = 19,
    EINVAL = 22,
    ENOTTY = 25,
    ERANGE = 34,
    ENODATA = 61,
    EOVERFLOW = 75,
    EUSERS = 87,
    EMSGSIZE = 90,
    EOPNOTSUPP = 95,
    EALREADY = 114,
    ESTALE = 116,
}

structs! {
    struct iommu_dirty_tracker_alloc {
        size: u32,
        flags: u32,
        target_id: u32,
        out_tracker_id: u32,
        out_fd: i32,
        __reserved: u32,
    }

    struct iommu_dirty_member {
        r#type: u32,
        id: u32,
        format: u32,
        reason: u32,
        flags: u32,
        split_reason: u32,
        io_page_sizes: u64,
        io_page_sizes_used: u64,
        split: u64,
        unsplit: u64,
        merged: u64,
        unmerged: u64,
    }

    struct iommu_dirty_tracker_info {
        size: u32,
        flags: u32,
        tracker_id: u32,
        num_members: u32,
        members: u64,
        member_len: u32,
        out_state: u32,
        out_target_id: u32,
        out_max_trackers: u32,
        out_page_sizes: u64,
        out_reads: u64,
        out_pages: u64,
        out_flags: u32,
        __reserved: u32,
        out_max_ranges: u32,
        out_num_ranges: u32,
        out_max_span: u64,
        out_tracked_page_size: u64,
    }

    struct iommu_dirty_run {
        iova: u64,
        length: u64,
    }

    struct iommu_dirty_tracker_start {
        size: u32,
        flags: u32,
        tracker_id: u32,
        out_type: u32,
        out_id: u32,
        out_reason: u32,
        num_ranges: u32,
        __reserved: u32,
        ranges: u64,
        page_size: u64,
    }

    struct iommu_dirty_tracker_stop {
        size: u32,
        flags: u32,
        tracker_id: u32,
        __reserved: u32,
    }

    struct iommu_dirty_read_tracker {
        tracker_id: u32,
        out_error: u32,
        out_pages: u64,
    }

    struct iommu_dirty_tracker_read {
        size: u32,
        flags: u32,
        trackers: u64,
        num_trackers: u32,
        tracker_len: u32,
        iova: u64,
        length: u64,
        page_size: u64,
        data: u64,
        out_length: u64,
        out_pages: u64,
    }

    struct iommu_dirty_tracker_scan {
        size: u32,
        flags: u32,
        trackers: u64,
        num_trackers: u32,
        tracker_len: u32,
        iova: u64,
        length: u64,
        page_size: u64,
        runs: u64,
        num_runs: u32,
        __reserved: u32,
        out_length: u64,
        out_pages: u64,
    }

    struct iommu_dirty_tracker_mark {
        size: u32,
        flags: u32,
        tracker_id: u32,
        num_runs: u32,
        iova: u64,
        length: u64,
        page_size: u64,
        data: u64,
    }

    struct iommu_dirty_tracker_unmap {
        size: u32,
        flags: u32,
        tracker_id: u32,
        __reserved: u32,
        iova: u64,
        length: u64,
        page_size: u64,
        data: u64,
        out_unmapped: u64,
        out_length: u64,
        out_pages: u64,
    }

    struct iommu_dirty_tracker_update {
        size: u32,
        flags: u32,
        tracker_id: u32,
        num_ranges: u32,
        ranges: u64,
        page_size: u64,
    }

    struct iommu_dirty_object {
        r#type: u32,
        id: u32,
        parent_id: u32,
        flags: u32,
        state: u32,
        num_trackers: u32,
        name: [u8; 40],
    }

    struct iommu_dirty_list {
        size: u32,
        flags: u32,
        first_id: u32,
        num_objects: u32,
        objects: u64,
        object_len: u32,
        out_next_id: u32,
    }

    // <linux/iommufd.h>
    struct iommu_destroy {
        size: u32,
        id: u32,
    }

    struct iommu_option {
        size: u32,
        option_id: u32,
        op: u16,
        __reserved: u16,
        object_id: u32,
        val64: u64,
    }
}
