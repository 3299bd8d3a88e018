//! `docs/json.md` says what hosts of other languages write: it is held to what the engine reads.
#![allow(missing_docs)]

use std::path::Path;

use mfacore::Policy;
use mfacore::commands::COMMANDS;

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json.md")).unwrap()
}

#[test]
fn the_recommended_policy_is_shown_whole() {
    let policy = serde_json::to_string_pretty(&Policy::recommended()).unwrap();
    assert!(page().contains(&format!("```json\n{policy}\n```\n")), "docs/json.md should show\n{policy}");
}

#[test]
fn every_profile_is_read() {
    for profile in ["recommended", "auth0", "asvs_l2", "nist_800_63b"] {
        assert!(page().contains(&format!("`{profile}`")), "{profile}");
        Policy::from_json(&format!(r#"{{"profile":"{profile}"}}"#)).unwrap();
    }
}

#[test]
fn every_command_has_its_row() {
    for (name, _) in COMMANDS {
        assert!(page().contains(&format!("\n| `{name}` |")), "docs/json.md has no row for {name}");
    }
}

/// The first cells of the table below a heading.
fn first_cells(heading: &str) -> Vec<String> {
    let page = page();
    let section = page.split(&format!("## {heading}\n")).nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_start_matches("| `").split('`').next().unwrap().to_owned()).collect()
}

#[test]
fn every_fact_is_read() {
    let facts = first_cells("Facts");
    assert_eq!(facts.len(), 10);
    for fact in facts {
        // A member that is unknown is refused as such; one that is known wants a value of its type.
        let caller = format!(r#"{{"authority":{{"host":"ann"}},"facts":{{"{fact}":{{}}}}}}"#);
        let error = serde_json::from_str::<mfacore::Caller>(&caller).unwrap_err().to_string();
        assert!(!error.contains("unknown field"), "{fact}: {error}");
    }
}
