//! Files that options name, and what they say of a disk image.

use super::subject::Subject;
use crate::qemu_args::{Arg, Properties};

/// Options whose value is a file.
const FILES: [&str; 5] = ["kernel", "initrd", "dtb", "bios", "readconfig"];

/// Options whose value is a disk image.
const IMAGES: [&str; 9] = ["hda", "hdb", "hdc", "hdd", "fda", "fdb", "pflash", "sd", "mtdblock"];

/// Options with a property that names a file or directory.
const PROPERTIES: [(&str, &str); 4] =
    [("fw_cfg", "file"), ("smbios", "file"), ("fsdev", "path"), ("virtfs", "path")];

/// A file that an option names.
pub struct Named<'a> {
    pub option: &'a str,
    /// No option takes it.
    pub is_alone: bool,
    pub arg: &'a Arg,
    /// From the config's directory.
    pub path: String,
    /// Whether it is a disk image.
    pub image: Option<Image>,
}

/// How a disk image is to be opened.
#[derive(Clone)]
pub struct Image {
    pub read_only: bool,
    /// Whether QEMU locks it.
    pub locking: bool,
    /// What the option says that it is.
    pub format: Option<String>,
}

/// The files that are the host's own.
pub fn local_files<'a>(subject: &'a Subject) -> Vec<Named<'a>> {
    let mut files = Vec::new();
    let snapshot = subject.options.iter().any(|opt| opt.name == "snapshot");
    let writable = Image { read_only: snapshot, locking: true, format: None };
    for opt in &subject.options {
        let (option, Some(arg)) = (opt.name, opt.value) else { continue };
        let mut add = |path: &str, image| {
            if let Some(path) = local(path) {
                let is_alone = std::ptr::eq(opt.arg, arg);
                files.push(Named { option, is_alone, arg, path, image });
            }
        };
        match option {
            // A comma separates modules or is part of the name, by the kind of the kernel.
            "initrd" if arg.text.contains(',') => {}
            _ if FILES.contains(&option) => add(&arg.text, None),
            _ if IMAGES.contains(&option) => add(&arg.text, Some(writable.clone())),
            "cdrom" => add(&arg.text, Some(Image { read_only: true, ..writable.clone() })),
            "drive" | "blockdev" => {
                let properties = Properties::parse(&arg.text);
                let image = Some(image(subject, &properties, snapshot));
                block_files(&properties).for_each(|path| add(path, image.clone()));
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

/// The files behind a block device: `file` and `filename`, of the node itself or one below.
fn block_files(properties: &Properties) -> impl Iterator<Item = &str> {
    // What another driver calls its file may be no file at all.
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
    // A node is read-only too when the one above it is.
    let node = properties.get("node-name");
    let above = subject.with_value(&["blockdev"]).map(|(_, arg)| Properties::parse(&arg.text));
    let above = above.filter(|above| node.is_some() && above.get("file") == node);
    let above: Vec<_> = above.collect();
    let shared = subject
        .options
        .iter()
        .any(|opt| opt.value.is_some_and(|value| Properties::parse(&value.text).is_on("share-rw")));
    let unlocked = ["locking", "file.locking"].iter().any(|key| properties.get(key) == Some("off"));
    Image {
        read_only: snapshot || read_only(properties) || above.iter().any(read_only),
        locking: !shared && !unlocked,
        format: format(above.first().unwrap_or(properties)),
    }
}

/// What an image is said to be; a part of one may be anything.
fn format(properties: &Properties) -> Option<String> {
    let is_part = ["offset", "size"].iter().any(|key| properties.get(key).is_some());
    let said = properties.get("format").or_else(|| properties.get("driver"));
    said.filter(|_| !is_part).map(str::to_owned)
}

/// The path in a file name, unless it speaks of a protocol (QEMU, block.c: a colon before any
/// slash).
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
