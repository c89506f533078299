//! Images known from the last run, and what makes them unknown again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use hoststate_abi::host_view::{HostView, Status};
use hoststate_testkit::initramfs::image;
use hoststate_testkit::tree::Tree;

use super::{FORMAT, Images, Kept, Known, has_settled};
use crate::formats::modprobe_conf::ModuleName;
use crate::machine::image_contents::{Contents, IMAGES};

const IMAGE: &str = "/boot/initrd.img-6.1.0-50-amd64";

fn contents(module: &str, files: &[(&str, Option<&str>)]) -> Contents {
    let files: BTreeMap<String, Option<String>> =
        files.iter().map(|(path, text)| ((*path).to_owned(), text.map(str::to_owned))).collect();
    Contents { modules: BTreeSet::from([ModuleName::parse(module).unwrap()]), files }
}

/// A host whose last run wrote down `kept` of the image it has, in the words of `format`.
fn host(format: &str, kept: Contents) -> Tree {
    let tree = Tree::new(&[]);
    let inside = [("usr/lib/modules/6.1.0-50-amd64/kernel/nouveau.ko.zst", ""), ("etc/fstab", "none\n")];
    tree.write(IMAGE, image(&inside));
    let inode = tree.view().status(Path::new(IMAGE)).unwrap().unwrap();
    let images = HashMap::from([(IMAGE.into(), Known { inode, contents: Rc::new(kept) })]);
    let text = serde_json::to_string(&Kept { format: format.to_owned(), images }).unwrap();
    tree.write(IMAGES, text);
    tree
}

fn found(tree: &Tree) -> Contents {
    let found = Images::default().contents(&tree.view(), Path::new(IMAGE)).unwrap().unwrap().unwrap();
    Rc::into_inner(found).unwrap()
}

#[test]
fn an_image_that_is_known_is_not_unpacked() {
    let known = || contents("vfio-pci", &[("etc/modprobe.d/a.conf", Some("x\n")), ("etc/ld.so.cache", None)]);
    let tree = host(FORMAT, known());
    assert_eq!(found(&tree), known());
    let images = Images::default();
    let first = images.contents(&tree.view(), Path::new(IMAGE)).unwrap().unwrap().unwrap();
    tree.remove(IMAGES);
    let second = images.contents(&tree.view(), Path::new(IMAGE)).unwrap().unwrap().unwrap();
    assert!(Rc::ptr_eq(&first, &second));
    assert_eq!(images.news(), None, "the last run has written it down");
}

#[test]
fn several_images_are_unpacked_at_once_and_known_by_the_inodes_from_before() {
    let name = |number: usize| PathBuf::from(format!("/boot/initrd.img-6.1.0-{number}-amd64"));
    let module = |number: usize| format!("usr/lib/modules/6.1.0-{number}-amd64/kernel/m{number}.ko");
    let tree = Tree::new(&[]);
    let all: Vec<PathBuf> = (0..6).map(name).collect();
    for number in 0..4 {
        tree.write(name(number), image(&[(&module(number), "")]));
    }
    tree.write(name(4), "no image");
    let (view, images) = (tree.view(), Images::default());
    images.unpack(&view, &all).unwrap();
    // What is put there meanwhile is another image to the next view.
    tree.write(name(0), image(&[("usr/lib/modules/6.1.0-0-amd64/kernel/other-than-before.ko", "")]));
    let read = |view: &HostView, number: usize| images.contents(view, &name(number)).unwrap();
    let modules = |view: &HostView, number: usize| {
        read(view, number).unwrap().unwrap().modules.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for number in 0..4 {
        assert_eq!(modules(&view, number), [format!("m{number}")]);
    }
    assert!(read(&view, 4).unwrap().is_err());
    assert!(read(&view, 5).is_none());
    assert_eq!(modules(&tree.view(), 0), ["other-than-before"]);
}

#[test]
fn another_image_in_its_place_is_unpacked() {
    let inside = contents("nouveau", &[("etc/fstab", Some("none\n"))]);
    let tree = host(FORMAT, contents("vfio-pci", &[]));
    let longer = tree.read(IMAGE).unwrap() + "\0\0\0\0";
    tree.write(IMAGE, longer);
    assert_eq!(found(&tree), inside);
    for damaged in ["hoststate.images/0", ""] {
        assert_eq!(found(&host(damaged, contents("vfio-pci", &[]))), inside, "{damaged:?}");
    }
    let tree = host(FORMAT, contents("vfio-pci", &[]));
    tree.write(IMAGES, "{\"format\": \"hoststate.im");
    assert_eq!(found(&tree), inside);
    tree.remove(IMAGE);
    assert!(Images::default().contents(&tree.view(), Path::new(IMAGE)).unwrap().is_none());
}

#[test]
fn an_image_is_remembered_when_its_next_change_would_show() {
    let now = SystemTime::UNIX_EPOCH + Duration::new(1_000, 500_000_000);
    let check = |changed: (i64, u32)| {
        has_settled(&Status { size: 1, device: 1, inode: 1, changed, modified: changed }, now)
    };
    assert!(check((1_000, 399_000_000)));
    // In the same step of the clock, in the future, in whole seconds, before 1970.
    for changed in [(1_000, 400_000_001), (1_000, 500_000_000), (1_001, 1), (999, 0), (-5, 1)] {
        assert!(!check(changed), "{changed:?}");
    }
}
