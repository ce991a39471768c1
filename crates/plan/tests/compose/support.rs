//! Text to what a person sees: the part of the stack that the test is about, or the complaints.

use std::collections::BTreeMap;

use mainstay_plan::compose::{Input, Loaded, SourceFile, load};

/// What a test reads a file with.
#[derive(Default)]
pub(crate) struct Case {
    files: Vec<String>,
    environment: BTreeMap<String, String>,
    others: BTreeMap<String, String>,
    profiles: Vec<String>,
}

impl Case {
    pub(crate) fn new(yaml: &str) -> Self {
        Self { files: vec![yaml.to_owned()], ..Self::default() }
    }

    pub(crate) fn and(mut self, yaml: &str) -> Self {
        self.files.push(yaml.to_owned());
        self
    }

    pub(crate) fn var(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A file beside the compose file.
    pub(crate) fn file(mut self, name: &str, text: &str) -> Self {
        self.others.insert(format!("/srv/shop/{name}"), text.to_owned());
        self
    }

    pub(crate) fn profile(mut self, name: &str) -> Self {
        self.profiles.push(name.to_owned());
        self
    }

    pub(crate) fn load(&self) -> Result<Loaded, String> {
        let name = |index| if index == 0 { "compose.yaml".to_owned() } else { format!("compose.{index}.yaml") };
        let files = self.files.iter().enumerate();
        let input = Input {
            files: files.map(|(index, text)| SourceFile { path: name(index), text: text.clone() }).collect(),
            environment: self.environment.clone(),
            project_dir: "/srv/shop".into(),
            project_name: None,
            profiles: self.profiles.clone(),
            read: &|path| Ok(self.others.get(path).cloned()),
        };
        load(&input).map_err(|diagnostics| diagnostics.to_string())
    }

    /// The value at a JSON pointer of the stack, the warnings behind it; or the complaints.
    pub(crate) fn at(&self, pointer: &str) -> String {
        let loaded = match self.load() {
            Ok(loaded) => loaded,
            Err(complaints) => return complaints,
        };
        let value = serde_json::to_value(&loaded.stack).expect("a stack is JSON");
        let found = value.pointer(pointer).map_or_else(|| "(not set)".to_owned(), ToString::to_string);
        let warnings: String = loaded.warnings.iter().map(|warning| format!("\nwarning: {warning}")).collect();
        found + &warnings
    }
}

/// A service `a` of one image with these further lines; the value of one of its keys.
pub(crate) fn service(lines: &str, key: &str) -> String {
    Case::new(&format!("services:\n  a:\n    image: i:1\n    {}\n", lines.replace('\n', "\n    ")))
        .at(&format!("/services/a{key}"))
}

/// The complaints about a service `a` of one image with these further lines.
pub(crate) fn complaints(lines: &str) -> String {
    service(lines, "/name")
}
