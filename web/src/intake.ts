/** Pictures on their way in: dropped, pasted, or chosen. */

import { batch, notice } from "./state";
import { add } from "./locating";
import { counted } from "./notation";

/** What counts as a picture in a folder. A file chosen outright is always asked about. */
const PICTURE = /\.(jpe?g|png|webp|tiff?|gif|bmp)$/i;

export function takeFolder(files: FileList | null): void {
  const pictures = [...(files ?? [])].filter(({ name }) => PICTURE.test(name) && !name.startsWith("."));
  pictures.sort((a, b) => a.webkitRelativePath.localeCompare(b.webkitRelativePath));
  if (pictures.length) add(pictures);
  else notice.value = "There is no picture in that folder.";
}

export function takeFiles(files: FileList | null): void {
  add([...(files ?? [])]);
}

/** Drops and pastes anywhere in the window. `over` is told whether something is held over it. */
export function listenForPictures(over: (held: boolean) => void): void {
  const takes = (event: DragEvent) => batch.peek() === null && event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => {
    if (!takes(event)) return;
    event.preventDefault();
    over(true);
  });
  addEventListener("dragleave", (event) => event.relatedTarget === null && over(false));
  addEventListener("drop", (event) => {
    if (!takes(event)) return;
    event.preventDefault();
    over(false);
    void takeDropped(event.dataTransfer!);
  });
  addEventListener("paste", ({ clipboardData }) => {
    if (batch.peek() === null && clipboardData?.files.length) takeFiles(clipboardData.files);
  });
}

async function takeDropped(data: DataTransfer): Promise<void> {
  // Entries must be asked for before anything is waited for: the browser empties the list.
  const entries = [...data.items].map((item) => item.webkitGetAsEntry());
  const loose = [...data.files];
  const found = await Promise.all(
    entries.map((entry, k) => (entry?.isDirectory ? picturesBelow(entry as FileSystemDirectoryEntry) : [loose[k]!])),
  );
  const pictures = found.flat().filter(Boolean);
  if (pictures.length) add(pictures);
  notice.value = pictures.length ? `${counted(pictures.length, "picture")} taken.` : "There is no picture in that folder.";
}

async function picturesBelow(folder: FileSystemDirectoryEntry): Promise<File[]> {
  const reader = folder.createReader();
  const entries: FileSystemEntry[] = [];
  for (;;) {
    // A reader gives a hundred at a time, and nothing at the end.
    const some = await new Promise<FileSystemEntry[]>((yes, no) => reader.readEntries(yes, no));
    if (!some.length) break;
    entries.push(...some);
  }
  entries.sort((a, b) => a.name.localeCompare(b.name));
  const found = await Promise.all(
    entries.filter(({ name }) => !name.startsWith(".")).map((entry) =>
      entry.isDirectory
        ? picturesBelow(entry as FileSystemDirectoryEntry)
        : PICTURE.test(entry.name)
          ? new Promise<File>((yes, no) => (entry as FileSystemFileEntry).file(yes, no)).then((file) => [file])
          : [],
    ),
  );
  return found.flat();
}
