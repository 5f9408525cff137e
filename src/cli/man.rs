//! The manual page: one for all commands.

use std::io::{Result, Write};

use clap::Command;
use clap_mangen::Man;

use super::Cli;

/// The page, in roff: every command has a section of its own, with the options that not all of them have.
///
/// # Errors
/// None that a page in memory could have.
pub fn page() -> Result<Vec<u8>> {
    let mut command = Cli::shown();
    command.build();
    let mut page = Vec::new();
    let man = Man::new(command.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    section(&command, &mut page)?;
    let mut codes = Vec::new();
    man.render_extra_section(&mut codes)?;
    page.extend_from_slice(
        String::from_utf8_lossy(&codes).replace(".SH EXTRA", ".SH \"EXIT STATUS\"").as_bytes(),
    );
    man.render_version_section(&mut page)?;
    Ok(page)
}

fn section(parent: &Command, page: &mut Vec<u8>) -> Result<()> {
    for command in parent.get_subcommands().filter(|command| command.get_name() != "help") {
        let own = command.clone().mut_args(|arg| {
            let everywhere = arg.is_global_set() || arg.get_id() == "help";
            arg.hide(everywhere)
        });
        let name = own.get_bin_name().unwrap_or(own.get_name()).to_owned();
        writeln!(page, ".SH \"{}\"", name.to_uppercase())?;
        let man = Man::new(own);
        let mut parts = Vec::new();
        man.render_description_section(&mut parts)?;
        man.render_synopsis_section(&mut parts)?;
        man.render_options_section(&mut parts)?;
        // parts of a section, which has its own title
        let parts = String::from_utf8_lossy(&parts).replace(".SH DESCRIPTION\n", "").replace(".SH ", ".SS ");
        page.extend_from_slice(parts.as_bytes());
        section(command, page)?;
    }
    Ok(())
}
