//! First scripts that lead to the menu on another drive, as firmware finds them on an EFI partition.

use crate::dice::Dice;

pub(crate) fn stub(dice: &mut Dice, uuid: &str, prefix: &str) -> String {
    match dice.below(6) {
        0 => format!(
            "search.fs_uuid {uuid} root hd1\nset prefix=($root)'{prefix}'\nconfigfile $prefix/grub.cfg\n"
        ),
        1 => format!(
            "search --no-floppy --fs-uuid --set=dev {uuid}\nset prefix=($dev){prefix}\nexport $prefix\nconfigfile $prefix/grub.cfg\n"
        ),
        2 => format!(
            "if [ -e (hd1){prefix}/grub.cfg ]; then\nset root=hd1\nelse\nset root=hd7\nfi\nset prefix=($root){prefix}\nsource $prefix/grub.cfg\n"
        ),
        3 => format!("search --label second --set\nprefix=($root){prefix}\nsource ${{prefix}}/grub.cfg\n"),
        4 => format!(
            "search --file {prefix}/grub.cfg --set=root\nset prefix=(${{root}})\"{prefix}\"\nset x=1\nconfigfile (hd1){prefix}/grub.cfg\necho not reached\n"
        ),
        _ => format!(
            "set extra='from the stub'\nset timeout=0\nsearch --fs-uuid {} --set root --hint hd1\nset prefix=($root){prefix}\nconfigfile ($root){prefix}/grub.cfg\n",
            uuid.to_uppercase()
        ),
    }
}
