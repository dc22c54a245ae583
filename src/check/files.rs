//! Finds the files that options name, and how the options describe a disk image.

use super::subject::Subject;
use crate::qemu_args::{Arg, Properties};

/// Options whose value is a file.
const FILES: [&str; 5] = ["kernel", "initrd", "dtb", "bios", "readconfig"];

/// Options whose value is a disk image, and the `if=` of the `-drive` that each abbreviates.
const IMAGES: [(&str, &str); 10] = [
    ("hda", "ide"),
    ("hdb", "ide"),
    ("hdc", "ide"),
    ("hdd", "ide"),
    ("cdrom", "ide"),
    ("fda", "floppy"),
    ("fdb", "floppy"),
    ("pflash", "pflash"),
    ("sd", "sd"),
    ("mtdblock", "mtd"),
];

/// Options with a property that names a file or directory.
const PROPERTIES: [(&str, &str); 4] =
    [("fw_cfg", "file"), ("smbios", "file"), ("fsdev", "path"), ("virtfs", "path")];

/// A file that an option names.
pub struct Named<'a> {
    pub option: &'a str,
    /// It stands alone, without an option.
    pub is_alone: bool,
    pub arg: &'a Arg,
    /// The path, relative to the config's directory.
    pub path: String,
    /// Whether it is a disk image.
    pub image: Option<Image>,
}

/// How QEMU opens a disk image.
#[derive(Clone)]
pub struct Image {
    pub read_only: bool,
    /// Whether QEMU locks it.
    pub locking: bool,
    /// The format that the option names.
    pub format: Option<String>,
    /// Whether QEMU uses only a part of it, which can have any format.
    pub is_part: bool,
    /// The size of the used part, if that is the beginning.
    pub size: Option<String>,
    /// The `if=` of a `-drive`; empty if it has none.
    pub interface: String,
    /// Whether it is the machine's flash: firmware, or the firmware's variables.
    pub is_flash: bool,
}

/// The files that are on the host.
pub fn local_files<'a>(subject: &'a Subject) -> Vec<Named<'a>> {
    let mut files = Vec::new();
    let snapshot = subject.options.iter().any(|opt| opt.name == "snapshot");
    for opt in &subject.options {
        let (option, Some(arg)) = (opt.name, opt.value) else { continue };
        let mut add = |path: &str, image| {
            if let Some(path) = local(path) {
                let is_alone = std::ptr::eq(opt.arg, arg);
                files.push(Named { option, is_alone, arg, path, image });
            }
        };
        match option {
            // The kernel decides whether a comma separates modules or is part of the name.
            "initrd" if arg.text.contains(',') => {}
            _ if FILES.contains(&option) => add(&arg.text, None),
            "drive" | "blockdev" => {
                let properties = Properties::parse(&arg.text);
                let image = Some(image(subject, &properties, snapshot));
                block_files(&properties).for_each(|path| add(path, image.clone()));
            }
            _ if let Some((_, interface)) = IMAGES.iter().find(|(name, _)| *name == option) => {
                add(&arg.text, Some(Image::of_option(interface, snapshot || option == "cdrom")));
            }
            _ => {
                let property = PROPERTIES.iter().find(|(name, _)| *name == option);
                let properties = Properties::parse(&arg.text);
                let path = property.and_then(|(_, key)| properties.get(key));
                path.into_iter().for_each(|path| add(path, None));
            }
        }
    }
    files
}

/// The files of a block device: `file` and `filename`, of the node itself or one below it.
fn block_files(properties: &Properties) -> impl Iterator<Item = &str> {
    // Another driver's `filename` may not be a file at all.
    let of_file = |(key, _): &&(String, String)| {
        let prefix = key.trim_end_matches("filename").trim_end_matches("file");
        let driver = properties.get(&format!("{prefix}driver"));
        !driver.is_some_and(|driver| matches!(driver, "vvfat" | "nbd" | "http" | "https" | "ssh"))
    };
    let is_block_node = properties.get("node-name").is_some();
    let names_file = move |(key, _): &&(String, String)| {
        key == "filename" || key.ends_with(".filename") || key == "file" && !is_block_node
    };
    properties.0.iter().filter(names_file).filter(of_file).map(|(_, value)| value.as_str())
}

fn image(subject: &Subject, properties: &Properties, snapshot: bool) -> Image {
    let read_only = |properties: &Properties| {
        let switches = ["readonly", "read-only", "file.read-only", "snapshot"];
        switches.iter().any(|key| properties.is_on(key)) || properties.get("media") == Some("cdrom")
    };
    // A node is also read-only if the node above it is.
    let node = properties.get("node-name");
    let above = subject.with_value(&["blockdev"]).map(|(_, arg)| Properties::parse(&arg.text));
    let above = above.filter(|above| node.is_some() && above.get("file") == node);
    let above: Vec<_> = above.collect();
    let shared = subject
        .options
        .iter()
        .any(|opt| opt.value.is_some_and(|value| Properties::parse(&value.text).is_on("share-rw")));
    let unlocked = ["locking", "file.locking"].iter().any(|key| properties.get(key) == Some("off"));
    let top = above.first().unwrap_or(properties);
    let interface = properties.get("if").unwrap_or_default().to_owned();
    let size = top.get("size");
    let offset = top.get("offset");
    Image {
        read_only: snapshot || read_only(properties) || above.iter().any(read_only),
        locking: !shared && !unlocked,
        format: top.get("format").or_else(|| top.get("driver")).map(str::to_owned),
        is_part: size.or(offset).is_some(),
        size: size.filter(|_| offset.is_none()).map(str::to_owned),
        is_flash: interface == "pflash" || is_flash(subject, top),
        interface,
    }
}

impl Image {
    fn of_option(interface: &str, read_only: bool) -> Image {
        Image {
            read_only,
            locking: true,
            format: None,
            is_part: false,
            size: None,
            interface: interface.to_owned(),
            is_flash: interface == "pflash",
        }
    }
}

/// Whether a node is the machine's flash: `-machine pflash0=NODE`.
fn is_flash(subject: &Subject, properties: &Properties) -> bool {
    let Some(node) = properties.get("node-name") else { return false };
    let mut machines = subject.with_value(&["machine", "M"]);
    machines.any(|(_, arg)| {
        let machine = Properties::parse(&arg.text);
        ["pflash0", "pflash1"].iter().any(|key| machine.get(key) == Some(node))
    })
}

/// The path in a file name, unless it names a protocol (QEMU, block.c: a colon before any slash).
fn local(name: &str) -> Option<String> {
    let name = name.strip_prefix("file:").unwrap_or(name);
    let is_protocol = name.find([':', '/']).is_some_and(|at| name[at..].starts_with(':'));
    (!name.is_empty() && !is_protocol).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_files_from_protocols() {
        assert_eq!(local("a/b:c").as_deref(), Some("a/b:c"));
        assert_eq!(local("file:a.img").as_deref(), Some("a.img"));
        assert_eq!(local("nbd://host/x"), None);
        assert_eq!(local("fat:rw:dir"), None);
    }

    #[test]
    fn finds_the_files_of_block_devices() {
        let files = |text: &str| {
            let properties = Properties::parse(text);
            block_files(&properties).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(files("id=a,file=/x,,y,if=virtio"), ["/x,y"]);
        assert_eq!(files("driver=file,node-name=f,filename=/x"), ["/x"]);
        assert_eq!(files("driver=qcow2,node-name=q,file=f"), [""; 0]);
        assert_eq!(files("driver=qcow2,node-name=q,file.driver=file,file.filename=/x"), ["/x"]);
        let json = r#"{"driver":"qcow2","node-name":"q","file":{"driver":"file","filename":"/x"}}"#;
        assert_eq!(files(json), ["/x"]);
        assert_eq!(files("driver=nbd,file=/x"), [""; 0]);
    }
}
