// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
//! Every struct, member and constant of the header must be in `sys`, and be the same there.
//!
//! The names come from the header, whose every line must be understood; the values, offsets
//! and sizes from the C compiler.

use std::collections::{BTreeMap, BTreeSet};
use std::{env, fs, process};

use super::{repo, run_c};
use crate::sys;

/// A struct of `sys`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Struct {
    pub(crate) name: &'static str,
    pub(crate) size: usize,
    pub(crate) align: usize,
    pub(crate) fields: Vec<(&'static str, &'static str, usize, usize)>,
}

/// What is not in the header, but in those that it includes
const OTHER_STRUCTS: [&str; 2] = ["iommu_destroy", "iommu_option"];
const OTHER_CONSTANTS: [&str; 6] = [
    "IOMMUFD_TYPE",
    "IOMMUFD_CMD_DESTROY",
    "IOMMU_DESTROY",
    "IOMMUFD_CMD_OPTION",
    "IOMMU_OPTION",
    "IOMMU_OPTION_OP_SET",
];

/// What the header declares
#[derive(Default)]
struct Header {
    /// Name, and the fields with their types as in Rust
    structs: Vec<(String, Vec<(String, String)>)>,
    constants: Vec<String>,
}

fn rust_type(c: &str) -> &'static str {
    match c {
        "__u8" => "u8",
        "__u32" => "u32",
        "__s32" => "i32",
        "__aligned_u64" => "u64",
        _ => panic!("unknown type {c}"),
    }
}

fn without_comments(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("/*") {
        out.push_str(&rest[..at]);
        rest = &rest[at + rest[at..].find("*/").expect("comments end") + 2..];
    }
    out + rest
}

impl Header {
    fn parse(text: &str) -> Self {
        let mut header = Header::default();
        // "struct", "enum" or nothing
        let mut inside = "";
        let text = without_comments(text).replace("\\\n", " ");
        for line in text.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            match (inside, words.as_slice()) {
                (_, []) | ("", ["#ifndef" | "#include", _] | ["#endif"]) => {}
                // The guard
                ("", ["#define", "_UAPI_IOMMUFD_DIRTY_H"]) => {}
                ("", ["#define", name, _, ..]) if !name.contains('(') => {
                    header.constants.push((*name).into());
                }
                ("", ["enum", "{"] | ["enum", _, "{"]) => inside = "enum",
                ("enum", [name, "=", .., value]) if value.ends_with(',') => {
                    header.constants.push((*name).into());
                }
                ("", ["struct", name, "{"]) => {
                    inside = "struct";
                    header.structs.push(((*name).into(), Vec::new()));
                }
                ("struct", [kind, name]) if name.ends_with(';') => {
                    let name = name.trim_end_matches(';');
                    let kind = rust_type(kind);
                    let field = match name.split_once('[') {
                        Some((name, len)) => {
                            (name.into(), format!("[{kind}; {}]", len.trim_end_matches(']')))
                        }
                        None => (name.into(), kind.into()),
                    };
                    header.structs.last_mut().expect("is inside one").1.push(field);
                }
                ("struct" | "enum", ["};"]) => inside = "",
                _ => panic!("cannot parse {line:?} of the header"),
            }
        }
        assert_eq!(inside, "");
        header
    }
}

/// A program that prints what the compiler knows of the structs and constants
fn questions(header: &Header) -> String {
    let mut lines = String::new();
    let mut ask = |key: &str, value: &str| {
        let line = format!("\tprintf(\"{key} %llu\\n\", (unsigned long long)({value}));\n");
        lines.push_str(&line);
    };
    let others = sys::structs().into_iter().filter(|s| OTHER_STRUCTS.contains(&s.name));
    let others = others.map(|s| {
        let fields = s.fields.iter().map(|f| (f.0.to_string(), f.1.to_string())).collect();
        (s.name.to_string(), fields)
    });
    for (name, fields) in header.structs.iter().cloned().chain(others) {
        ask(&format!("size {name}"), &format!("sizeof(struct {name})"));
        ask(&format!("align {name}"), &format!("_Alignof(struct {name})"));
        for (field, _) in &fields {
            ask(&format!("offset {name}.{field}"), &format!("offsetof(struct {name}, {field})"));
            ask(
                &format!("bytes {name}.{field}"),
                &format!("sizeof(((struct {name} *)0)->{field})"),
            );
        }
    }
    for (name, _) in sys::constants() {
        ask(&format!("constant {name}"), name);
    }
    for name in &header.constants {
        ask(&format!("constant {name}"), name);
    }
    format!(
        "#include <errno.h>\n#include <stddef.h>\n#include <stdio.h>\n\
         #include <linux/iommufd_dirty.h>\nint main(void)\n{{\n{lines}\treturn 0;\n}}\n"
    )
}

fn is_errno(name: &str) -> bool {
    name.starts_with('E')
}

/// What differs between the header and tables like those of `sys`
fn differences(
    header: &Header,
    structs: &[Struct],
    constants: &[(&str, u32)],
    answers: &BTreeMap<&str, u64>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |what: String, rust: u64| match answers.get(what.as_str()) {
        Some(c) if *c == rust => {}
        c => wrong.push(format!("{what}: {rust}, but {c:?} in C")),
    };
    for s in structs {
        check(format!("size {}", s.name), s.size as u64);
        check(format!("align {}", s.name), s.align as u64);
        for (field, _, offset, bytes) in &s.fields {
            let field = field.trim_start_matches("r#");
            check(format!("offset {}.{field}", s.name), *offset as u64);
            check(format!("bytes {}.{field}", s.name), *bytes as u64);
        }
    }
    for (name, value) in constants {
        check(format!("constant {name}"), u64::from(*value));
    }

    // The names and types, in both directions
    let in_header: BTreeMap<_, _> = header.structs.iter().cloned().collect();
    let in_rust: BTreeMap<_, _> = structs
        .iter()
        .filter(|s| !OTHER_STRUCTS.contains(&s.name))
        .map(|s| {
            let fields = s.fields.iter();
            let fields = fields.map(|f| (f.0.trim_start_matches("r#").into(), f.1.into()));
            (s.name.to_string(), fields.collect::<Vec<(String, String)>>())
        })
        .collect();
    for name in in_header.keys().chain(in_rust.keys()).collect::<BTreeSet<_>>() {
        let (c, rust) = (in_header.get(name), in_rust.get(name));
        if c != rust {
            wrong.push(format!("struct {name}: {rust:?}, but {c:?} in C"));
        }
    }
    let in_header: BTreeSet<_> = header.constants.iter().map(String::as_str).collect();
    let in_rust: BTreeSet<_> = constants.iter().map(|(name, _)| *name).collect();
    let others: BTreeSet<_> =
        in_rust.iter().copied().filter(|n| is_errno(n) || OTHER_CONSTANTS.contains(n)).collect();
    for name in in_header.difference(&in_rust) {
        wrong.push(format!("constant {name} is missing"));
    }
    for name in in_rust.difference(&in_header).filter(|name| !others.contains(*name)) {
        wrong.push(format!("constant {name} is not in the header"));
    }
    wrong
}

#[test]
fn sys_is_the_header() {
    let path = repo("include/uapi/linux/iommufd_dirty.h");
    let header = Header::parse(&fs::read_to_string(path).expect("the header is there"));
    // A header of which nothing was understood must not pass
    assert!(header.structs.len() >= 14 && header.constants.len() >= 67);

    let source = env::temp_dir().join(format!("iommufd-dirty-layout-{}.c", process::id()));
    fs::write(&source, questions(&header)).expect("the folder can be written");
    let output = run_c("layout", std::slice::from_ref(&source));
    fs::remove_file(source).expect("the source was there");
    let answers: BTreeMap<_, _> = output
        .lines()
        .map(|line| line.rsplit_once(' ').expect("key and value"))
        .map(|(key, value)| (key, value.parse().expect("a number")))
        .collect();
    let (structs, constants) = (sys::structs(), sys::constants());
    let wrong = differences(&header, &structs, &constants, &answers);
    assert!(wrong.is_empty(), "{wrong:#?}");

    // Each thing that is left out or changed must be noticed
    let noticed = |structs: &[Struct], constants: &[(&str, u32)]| {
        !differences(&header, structs, constants, &answers).is_empty()
    };
    for i in 0..structs.len() {
        let name = structs[i].name;
        let mut less = structs.clone();
        less.remove(i);
        assert!(noticed(&less, &constants) || OTHER_STRUCTS.contains(&name), "{name}");
        for field in 0..structs[i].fields.len() {
            let mut other = structs.clone();
            other[i].fields[field].2 += 1;
            assert!(noticed(&other, &constants), "{name}: an offset");
            let mut less = structs.clone();
            less[i].fields.remove(field);
            assert!(noticed(&less, &constants) || OTHER_STRUCTS.contains(&name), "{name}");
        }
    }
    for i in 0..constants.len() {
        let name = constants[i].0;
        let mut other = constants.clone();
        other[i].1 ^= 1;
        assert!(noticed(&structs, &other), "{name}: its value");
        other.remove(i);
        let needless = is_errno(name) || OTHER_CONSTANTS.contains(&name);
        assert!(noticed(&structs, &other) || needless, "{name}");
    }
}

#[test]
#[should_panic(expected = "cannot parse")]
fn what_is_not_understood_fails() {
    Header::parse("struct s {\n\tunion {\n\t\t__u32 a;\n\t};\n};\n");
}
