//! `docs/attacks.md` names a test for every attack and every row of the contract, and every test that it names is
//! there.
#![allow(missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

const MAP: &str = "docs/attacks.md";

/// The sections of the map, and their rows.
const SECTIONS: [(&str, usize); 8] = [
    ("Replay", 7),
    ("Guessing", 9),
    ("Binding", 17),
    ("Parsing, arithmetic, time", 10),
    ("Delivery, push, operations", 14),
    ("Contract, section 3: refusals", 35),
    ("Contract, section 4: rules", 8),
    ("Contract, section 4: limits", 9),
];

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The cells of each row of the tables below a heading, up to the next one.
fn rows(text: &str, heading: &str) -> Vec<Vec<String>> {
    let mut lines = text.lines().skip_while(|line| *line != format!("## {heading}")).skip(1);
    let section = lines.by_ref().take_while(|line| !line.starts_with("## "));
    let rows = section.filter(|line| line.starts_with('|'));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    // The head, and the line below it.
    rows.skip(2).map(cells).collect()
}

/// The tests that a row names, in its last cell.
fn named(row: &[String]) -> Vec<(PathBuf, String)> {
    let tests = row.last().unwrap().split(", ").filter(|name| !name.is_empty());
    let test = |name: &str| {
        let bare = name.strip_prefix('`').and_then(|name| name.strip_suffix('`'));
        let (file, test) = bare.and_then(|bare| bare.split_once("::")).unwrap_or_else(|| panic!("{name}"));
        let file = if file.contains('/') { file.to_owned() } else { format!("tests/{file}") };
        (PathBuf::from(file + ".rs"), test.to_owned())
    };
    tests.map(test).collect()
}

/// Whether `source` has a function of this name that is marked as a test.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let starts = [format!("fn {name}("), format!("async fn {name}(")];
    let at = lines.iter().position(|line| starts.iter().any(|start| line.starts_with(start.as_str())));
    let marks = |line: &&&str| line.starts_with("#[") || line.starts_with("//");
    at.is_some_and(|at| {
        lines[..at].iter().rev().take_while(marks).any(|mark| ["#[test]", "#[tokio::test]"].contains(mark))
    })
}

#[test]
fn every_row_names_tests_that_are_there() {
    let map = read(MAP);
    let mut missing = Vec::new();
    for (section, _) in SECTIONS {
        for row in rows(&map, section) {
            let tests = named(&row);
            assert_eq!(row.len(), 3, "{row:?}");
            assert!(!tests.is_empty(), "no test: {}", row[0]);
            for (file, test) in tests {
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
                let source = fs::read_to_string(path).unwrap_or_default();
                if !has_test(&source, &test) {
                    missing.push(format!("{}::{test}", file.display()));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{MAP} names tests that are not there: {missing:#?}");
}

#[test]
fn every_section_has_its_rows_and_there_is_no_other() {
    let map = read(MAP);
    let headings: Vec<&str> = map.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(headings, SECTIONS.map(|(section, _)| section));
    let counts: Vec<(&str, usize)> =
        SECTIONS.iter().map(|(section, _)| (*section, rows(&map, section).len())).collect();
    assert_eq!(counts, SECTIONS);
}

/// The rows are those of the contract, in its order.
#[test]
fn the_rows_of_the_contract_are_all_there() {
    let (map, contract) = (read(MAP), read("docs/contract.md"));
    let refusals = rows(&contract, "3. Refusals");
    let mapped = rows(&map, "Contract, section 3: refusals");
    assert_eq!(mapped.len(), refusals.len());
    for (mapped, row) in mapped.iter().zip(&refusals) {
        let start = format!("{} {}", row[0], row[1]);
        let rest = mapped[0].strip_prefix(start.as_str());
        let text = rest.unwrap_or_else(|| panic!("{} is not {start}", mapped[0])).trim_start_matches(": ");
        let first = text.split(", ").next().unwrap();
        assert!(row[2].contains(first) || row[2].is_empty(), "{first} is not {}", row[2]);
    }
    let rules = contract.lines().skip_while(|line| *line != "## 4. Rules").skip(1);
    let rules = rules.take_while(|line| !line.starts_with("## "));
    let numbers: Vec<String> = rules
        .filter_map(|line| line.split_once(". "))
        .filter(|(number, _)| number.parse::<u8>().is_ok())
        .map(|(number, _)| number.to_owned())
        .collect();
    let mapped: Vec<String> =
        rows(&map, "Contract, section 4: rules").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(mapped, numbers);
    assert_eq!(rows(&map, "Contract, section 4: limits").len(), rows(&contract, "4. Rules").len());
}

/// A test that cannot fail is a defect.
#[test]
fn a_name_that_is_no_test_is_told() {
    let source = "#[test]\nfn one() {\n}\n\nfn two() {\n}\n#[test]\n/// Text.\nfn three_of() {\n}\n";
    assert!(has_test(source, "one") && has_test(source, "three_of"));
    assert!(!has_test(source, "two") && !has_test(source, "three") && !has_test(source, "four"));
}
