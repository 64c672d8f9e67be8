//! The terminal: taken whole, and given back as it was, however the program ends.

use std::io::{self, Stdout, stdout};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::{Hide, Show};
use crossterm::execute;
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use crate::error::Error;
use crate::triage::{State, draw};

/// Whether the terminal is taken now.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Most bytes that terminals take as a clipboard: xterm's and tmux's buffers end there, in base64 (74,994 bytes).
const CLIPBOARD: usize = 56_000;

/// A terminal that is taken whole.
pub(super) struct Screen(Terminal<CrosstermBackend<Stdout>>);

impl Screen {
    /// Takes the terminal. A panic gives it back before it is told.
    pub(super) fn take() -> Result<Self, Error> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |what| {
                give_back();
                before(what);
            }));
        });
        let mut screen = Self(terminal()?);
        screen.again()?;
        Ok(screen)
    }

    /// Takes it again, and draws all of it anew.
    pub(super) fn again(&mut self) -> Result<(), Error> {
        TAKEN.store(true, Ordering::SeqCst);
        let taken = enable_raw_mode().and_then(|()| execute!(stdout(), EnterAlternateScreen, Hide));
        taken.map_err(|error| failed(&error))?;
        self.clear()
    }

    /// Its columns and rows.
    pub(super) fn size() -> (u16, u16) {
        size().unwrap_or((0, 0))
    }

    /// Draws what has changed.
    pub(super) fn show(&mut self, state: &State) -> Result<(), Error> {
        self.0.draw(|frame| draw(state, frame)).map(|_| ()).map_err(|error| failed(&error))
    }

    /// Draws all of it anew.
    pub(super) fn clear(&mut self) -> Result<(), Error> {
        execute!(stdout(), Clear(ClearType::All)).map_err(|error| failed(&error))?;
        // Not `Terminal::clear`: it asks the terminal where the cursor is, and the answer goes to whoever listens for keys.
        self.0 = terminal()?;
        Ok(())
    }

    /// Puts a text on the clipboard of the terminal (OSC 52); what is told of that.
    pub(super) fn copy(text: &str) -> String {
        if text.len() > CLIPBOARD {
            return format!("{} bytes are more than a terminal's clipboard takes: w writes them to a file", text.len());
        }
        match execute!(stdout(), CopyToClipboard::to_clipboard_from(text)) {
            Ok(()) => "sent to the terminal's clipboard (OSC 52; in tmux: set -g set-clipboard on)".to_owned(),
            Err(error) => format!("not copied: {error}"),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Gives the terminal back, if it is taken. What can't be done is not told: there may be no terminal any more.
pub(super) fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = execute!(stdout(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

/// A terminal of which nothing is known to be drawn.
fn terminal() -> Result<Terminal<CrosstermBackend<Stdout>>, Error> {
    Terminal::new(CrosstermBackend::new(stdout())).map_err(|error| failed(&error))
}

fn failed(error: &io::Error) -> Error {
    Error::new("triage.terminal", "terminal", error.to_string())
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::{Duration, Instant};

    /// Set in the process that panics.
    const PANICS: &str = "DIAG_TEST_PANICS";

    /// The test runs itself in a terminal of tmux, where it takes the screen and panics.
    #[test]
    #[ignore = "needs tmux"]
    fn terminal_a_panic_gives_the_screen_back() {
        if std::env::var_os(PANICS).is_some() {
            let _screen = super::Screen::take().unwrap();
            panic!("of the test");
        }
        let folder = tempfile::tempdir().unwrap();
        let tmux = |words: &[&str]| {
            let socket = folder.path().join("tmux");
            let done =
                Command::new("tmux").arg("-S").arg(socket).args(["-f", "/dev/null"]).args(words).output().unwrap();
            String::from_utf8(done.stdout).unwrap()
        };
        let own = std::env::current_exe().unwrap();
        let name = "cli::triage::screen::tests::terminal_a_panic_gives_the_screen_back";
        let run = format!(
            "RUST_BACKTRACE=0 {PANICS}=1 {} --exact {name} --ignored --nocapture; stty -a; echo over; sleep 60",
            own.display()
        );
        tmux(&["new-session", "-d", "-x", "100", "-y", "40", &run]);
        let ends = Instant::now() + Duration::from_secs(30);
        let mut text = String::new();
        while !text.contains("over") && Instant::now() < ends {
            std::thread::sleep(Duration::from_millis(50));
            text = tmux(&["capture-pane", "-p"]);
        }
        let flags = tmux(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]);
        tmux(&["kill-server"]);
        assert!(text.contains("of the test") && text.contains(" icanon") && text.contains(" echo "), "{text}");
        assert_eq!(flags.trim(), "0 1");
    }
}
