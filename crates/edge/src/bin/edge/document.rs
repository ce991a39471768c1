//! Holds docs/edge.md against the program.

use std::fmt::Write as _;
use std::path::Path;

use clap::CommandFactory as _;

use crate::Cli;

const BEGIN: &str = "<!-- settings -->\n";
const END: &str = "<!-- /settings -->";

fn serve() -> clap::Command {
    let mut cli = Cli::command();
    cli.build();
    cli.find_subcommand("serve").expect("there is the verb").clone()
}

/// The settings as the document lists them.
fn table() -> String {
    let mut table = "\n| setting | default | what it is |\n| --- | --- | --- |\n".to_owned();
    for argument in serve().get_arguments() {
        let Some(variable) = argument.get_env().and_then(|name| name.to_str()) else { continue };
        let help = argument.get_help().expect("each setting says what it is").to_string().replace('|', "\\|");
        let defaults: Vec<_> = argument.get_default_values().iter().filter_map(|value| value.to_str()).collect();
        let default = if defaults.is_empty() { String::new() } else { format!("`{}`", defaults.join(",")) };
        writeln!(table, "| `{variable}` | {default} | {help} |").expect("it is written");
    }
    table + "\n"
}

#[test]
fn the_document_lists_every_setting() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/edge.md");
    let text = std::fs::read_to_string(&path).expect("the document");
    let (before, rest) = text.split_once(BEGIN).expect("the list begins");
    let (listed, after) = rest.split_once(END).expect("the list ends");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{}{END}{after}", table())).expect("it is written");
    } else {
        let hint = "UPDATE_DOCS=1 cargo test -p mainstay-edge the_document writes the list anew";
        assert!(listed == table(), "docs/edge.md lists other settings than there are\n\nhint: {hint}");
    }
}

#[test]
fn each_setting_that_is_named_is_one() {
    let text = include_str!("../../../../../docs/edge.md");
    let known: Vec<_> = Cli::command()
        .get_arguments()
        .chain(serve().get_arguments())
        .filter_map(|argument| argument.get_env()?.to_str().map(str::to_owned))
        .collect();
    let is_part = |character: char| character.is_ascii_uppercase() || character.is_ascii_digit() || character == '_';
    let named = text.split(|character: char| !is_part(character)).filter(|word| word.starts_with("EDGE_"));
    for name in named {
        assert!(known.iter().any(|known| known == name), "{name} is no setting");
    }
}

#[test]
fn the_document_lists_every_verb() {
    let text = include_str!("../../../../../docs/edge.md");
    for verb in Cli::command().get_subcommands() {
        let verb = format!("\n| `edge {}", verb.get_name());
        assert!(text.contains(&verb), "{verb} is not listed");
    }
}
