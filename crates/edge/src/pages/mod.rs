//! What a person sees in the browser while no target answers: our pages, or an operator's own.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::time::SystemTime;

use bytes::Bytes;

/// The largest page that is taken. It is kept in memory, and sent to everybody when things are bad enough.
const MOST_BYTES: u64 = 256 * 1024;

/// A page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// An operator has closed the service.
    Maintenance,
    /// No target answers.
    Unavailable,
}

const ALL: [Page; 2] = [Page::Maintenance, Page::Unavailable];

impl Page {
    /// What it is called in the folder.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Self::Maintenance => "maintenance.html",
            Self::Unavailable => "unavailable.html",
        }
    }

    fn ours(self) -> &'static str {
        match self {
            Self::Maintenance => include_str!("maintenance.html"),
            Self::Unavailable => include_str!("unavailable.html"),
        }
    }
}

/// The pages as they are served.
#[derive(Debug)]
pub struct Pages {
    folder: Option<PathBuf>,
    shown: RwLock<[Shown; ALL.len()]>,
}

#[derive(Debug)]
struct Shown {
    html: Bytes,
    /// Without what makes a browser load it again.
    still: Bytes,
    /// The file as it was when it was last read, or could not be.
    seen: Seen,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Nothing,
    File(Option<SystemTime>, u64),
    Unreadable(String),
}

impl Pages {
    /// Our own pages; those of the folder once they are read.
    #[must_use]
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, shown: RwLock::new(ALL.map(|page| Shown::new(page.ours().to_owned(), Seen::Nothing))) }
    }

    /// The page. `again` where the browser may load it again by itself, which would be a GET, whatever was asked.
    #[must_use]
    pub fn html(&self, page: Page, again: bool) -> Bytes {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        let shown = &shown[page as usize];
        if again { shown.html.clone() } else { shown.still.clone() }
    }

    /// Reads those of the folder that have changed. What is wrong with them is told once, and ours is shown.
    #[must_use]
    pub fn reload(&self) -> Vec<String> {
        let Some(folder) = &self.folder else { return Vec::new() };
        let mut wrong = Vec::new();
        for page in ALL {
            let path = folder.join(page.file());
            let before = self.shown.read().unwrap_or_else(PoisonError::into_inner)[page as usize].seen.clone();
            let shown = match look(&path) {
                Ok(seen) if seen == before => continue,
                Ok(Seen::Nothing) => Shown::new(page.ours().to_owned(), Seen::Nothing),
                found => match found.and_then(|seen| Ok((read(&path)?, seen))) {
                    Ok((html, seen)) => Shown::new(html, seen),
                    Err(error) => {
                        let seen = Seen::Unreadable(error.to_string());
                        if seen == before {
                            continue;
                        }
                        wrong.push(format!("cannot read the page {}: {error}; ours is shown", path.display()));
                        Shown::new(page.ours().to_owned(), seen)
                    }
                },
            };
            self.shown.write().unwrap_or_else(PoisonError::into_inner)[page as usize] = shown;
        }
        wrong
    }
}

impl Shown {
    fn new(html: String, seen: Seen) -> Self {
        Self { still: Bytes::from(without_refresh(&html)), html: Bytes::from(html), seen }
    }
}

fn look(path: &Path) -> io::Result<Seen> {
    match std::fs::metadata(path) {
        Ok(found) => Ok(Seen::File(found.modified().ok(), found.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Seen::Nothing),
        Err(error) => Err(error),
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(MOST_BYTES + 1).read_to_string(&mut text)?;
    if read as u64 > MOST_BYTES {
        return Err(io::Error::other(format!("it has more than {MOST_BYTES} bytes")));
    }
    Ok(text)
}

/// The page without its `<meta http-equiv="refresh" …>`.
fn without_refresh(html: &str) -> String {
    let lower = html.to_ascii_lowercase();
    let tag = lower.match_indices("<meta").find_map(|(from, _)| {
        let tag = lower.get(from..)?;
        let tag = tag.get(..=tag.find('>')?)?;
        (tag.contains("http-equiv") && tag.contains("refresh")).then(|| from..from + tag.len())
    });
    let mut html = html.to_owned();
    if let Some(tag) = tag {
        html.replace_range(tag, "");
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_pages_stand_on_their_own_and_come_again() {
        for page in ALL {
            let html = page.ours();
            for part in ["viewport", "prefers-color-scheme: dark", "http-equiv=\"refresh\"", "<html lang=", "seconds"] {
                assert!(html.contains(part), "{page:?} has {part}");
            }
            for part in ["<script", "http:", "https:", "src=", "url(", "@import"] {
                assert!(!html.contains(part), "{page:?} has no {part}");
            }
            let still = without_refresh(html);
            assert!(!still.contains("refresh") && still.contains("</style>") && still.ends_with("</html>\n"));
        }
    }

    #[test]
    fn pages_of_the_folder_are_shown_as_they_change() {
        let folder = std::env::temp_dir().join(format!("edge-pages-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("maintenance.html");
        let pages = Pages::new(Some(folder.clone()));
        let html = || pages.html(Page::Maintenance, true);
        assert!(pages.reload().is_empty());
        assert_eq!(html(), Page::Maintenance.ours());
        std::fs::write(&file, "<META HTTP-EQUIV=refresh content=9>closed").expect("it is written");
        assert!(pages.reload().is_empty());
        assert_eq!(html(), "<META HTTP-EQUIV=refresh content=9>closed");
        assert_eq!(pages.html(Page::Maintenance, false), "closed");
        assert_eq!(pages.html(Page::Unavailable, true), Page::Unavailable.ours());
        for wrong in [vec![b'x'; 300_000], vec![0xff; 3]] {
            std::fs::write(&file, wrong).expect("it is written");
            assert!(pages.reload()[0].starts_with("cannot read the page "), "it is told");
            assert_eq!(html(), Page::Maintenance.ours());
        }
        std::fs::write(&file, "back").expect("it is written");
        assert!(pages.reload().is_empty());
        assert_eq!(html(), "back");
        std::fs::remove_dir_all(&folder).expect("it goes");
        assert!(pages.reload().is_empty());
        assert_eq!(html(), Page::Maintenance.ours());
    }

    #[test]
    fn what_cannot_be_read_is_told_once() {
        let folder = std::env::temp_dir().join(format!("edge-pages-once-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("unavailable.html")).expect("a folder where a file should be");
        let pages = Pages::new(Some(folder.clone()));
        assert_eq!((pages.reload().len(), pages.reload().len()), (1, 0));
        std::fs::remove_dir_all(&folder).expect("it goes");
    }

    proptest::proptest! {
        #[test]
        fn no_page_makes_it_fail(html in "(<|>|meta|http-equiv|refresh|é| ){0,12}") { let _ = without_refresh(&html); }
    }
}
