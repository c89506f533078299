//! `if`, `for` and `while` (grub-core/script/execute.c).

use std::rc::Rc;

use super::files::Script;
use super::machine::{Flow, Machine, Status};
use super::syntax::List;
use super::text::Text;

impl Machine<'_> {
    pub(super) fn run_if(
        &mut self,
        script: &Rc<Script>,
        clauses: &[(List, List)],
        rest: Option<&List>,
    ) -> Flow<Status> {
        for (condition, then) in clauses {
            let status = self.run_list(script, condition)?;
            if self.returns {
                return Ok(status);
            }
            if self.status().map(|it| self.settle(it)) == Some(0) {
                return self.run_list(script, then);
            }
        }
        rest.map_or(Ok(0), |it| self.run_list(script, it))
    }

    pub(super) fn run_for(
        &mut self,
        script: &Rc<Script>,
        variable: &str,
        words: Vec<Text>,
        body: &List,
        at: usize,
    ) -> Flow<Status> {
        let place = script.source.origin(at).place;
        self.loops += 1;
        let mut status = 0;
        for word in words {
            if self.is_continue && self.breaks == 1 {
                self.breaks = 0;
            }
            if self.breaks == 0 {
                self.set(variable, word, &place);
                status = self.run_list(script, body)?;
                if self.returns {
                    break;
                }
            }
        }
        self.breaks = self.breaks.saturating_sub(1);
        self.loops -= 1;
        Ok(status)
    }

    pub(super) fn run_while(
        &mut self,
        script: &Rc<Script>,
        condition: &List,
        body: &List,
        until: bool,
    ) -> Flow<Status> {
        self.loops += 1;
        let status = loop {
            let status = self.run_list(script, condition)?;
            let status = self.settle(status);
            if self.returns || (status != 0) != until {
                break status;
            }
            let status = self.run_list(script, body)?;
            if self.returns {
                break status;
            }
            if self.breaks == 1 && self.is_continue {
                self.breaks = 0;
            }
            if self.breaks > 0 {
                break status;
            }
        };
        self.breaks = self.breaks.saturating_sub(1);
        self.loops -= 1;
        Ok(status)
    }
}
