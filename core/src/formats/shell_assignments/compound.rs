//! Compound commands: where their blocks begin and end.

use super::script::{Block, Kind, Reader, Step};

impl Reader<'_> {
    pub(super) fn case_pattern(&mut self) -> Step<()> {
        if self.rest().is_empty() {
            return self.broken("`case` without `esac`");
        }
        if self.take("\n") {
            return self.skip_heredocs();
        }
        let open = self.take("(");
        loop {
            self.skip_blanks();
            match self.word()? {
                Some(it) if it.raw == "esac" && !open => {
                    self.blocks.pop();
                    return Ok(());
                }
                Some(_) => {}
                None if self.take("|") => {}
                None if self.take(")") => {
                    self.blocks.pop();
                    self.blocks.push(Block::CaseBody);
                    return Ok(());
                }
                None => return self.broken("a `case` pattern without `)`"),
            }
        }
    }

    /// Reads a reserved word or a simple command.
    pub(super) fn command(&mut self) -> Step<()> {
        let Some(first) = self.word()? else {
            return self.broken("text that is not a command");
        };
        match first.raw {
            "if" => self.blocks.push(Block::IfCondition),
            "while" | "until" => self.blocks.push(Block::LoopCondition),
            "{" => self.blocks.push(Block::Brace),
            "!" => {
                self.chain();
                self.negated = true;
                self.item_is_negated = true;
            }
            "then" => self.turn(Block::IfCondition, Block::If)?,
            "elif" => self.turn(Block::If, Block::IfCondition)?,
            "else" => self.inside(Block::If)?,
            "do" => self.turn(Block::LoopCondition, Block::Loop)?,
            "fi" => self.close(Block::If)?,
            "done" => self.close(Block::Loop)?,
            "}" => self.close(Block::Brace)?,
            "esac" => self.close(Block::CaseBody)?,
            "for" | "select" => self.for_loop()?,
            "case" => self.case()?,
            "[[" => {
                self.push(first.start, Kind::OnlyBash("`[[`".to_owned()));
                self.skip_test()?;
            }
            _ => return self.simple_command(first),
        }
        Ok(())
    }

    fn inside(&self, block: Block) -> Step<()> {
        match self.blocks.last() == Some(&block) {
            true => Ok(()),
            false => self.broken("a reserved word outside its block"),
        }
    }

    fn turn(&mut self, from: Block, to: Block) -> Step<()> {
        self.close(from)?;
        self.blocks.push(to);
        Ok(())
    }

    fn close(&mut self, block: Block) -> Step<()> {
        self.inside(block)?;
        self.blocks.pop();
        Ok(())
    }

    fn for_loop(&mut self) -> Step<()> {
        self.blocks.push(Block::LoopCondition);
        self.skip_blanks();
        let Some(name) = self.word()? else {
            return self.broken("`for` without a name");
        };
        self.push(name.start, Kind::Forget(name.raw.to_owned(), "set by a loop"));
        self.skip_blanks();
        while !self.rest().starts_with(['\n', ';']) {
            match self.word()? {
                Some(it) if it.raw == "do" => return self.turn(Block::LoopCondition, Block::Loop),
                Some(_) => self.skip_blanks(),
                None => return self.broken("`for` without `do`"),
            }
        }
        Ok(())
    }

    fn case(&mut self) -> Step<()> {
        self.skip_blanks();
        self.word()?;
        self.skip_blanks();
        while self.take("\n") {
            self.skip_blanks();
        }
        match self.word()? {
            Some(it) if it.raw == "in" => self.blocks.push(Block::CasePattern),
            _ => return self.broken("`case` without `in`"),
        }
        Ok(())
    }

    fn skip_test(&mut self) -> Step<()> {
        loop {
            self.skip_blanks();
            match self.word()? {
                Some(it) if it.raw == "]]" => return Ok(()),
                Some(_) => {}
                None if self.rest().is_empty() => return self.broken("`[[` without `]]`"),
                // Every character that starts no word is one byte long.
                None => self.at += 1,
            }
        }
    }
}
