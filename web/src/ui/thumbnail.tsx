/** A picture as an image: from the file that was given, or from the server. */

import { useEffect, useState } from "preact/hooks";

import { imageUrl, reviewPictureUrl } from "../api";
import type { Item } from "../state";

const SMALL_PX = 160;
const LARGE_PX = 1200;

export function Thumbnail({ item, large = false }: { item: Item; large?: boolean }) {
  const { file, index } = item;
  const path = index === null ? null : reviewPictureUrl(index, large ? LARGE_PX : SMALL_PX);
  return <Shown source={file ?? path} alt={large ? item.name : ""} kind={item.name.split(".").at(-1) ?? ""} />;
}

/** An image of a file or a path of the server; `kind` stands in for it where the browser can't show it. */
export function Shown({ source, alt, kind, name }: { source: File | string | null; alt: string; kind: string; name?: string }) {
  const [url, setUrl] = useState<string | null>(null);
  const [broken, setBroken] = useState(false);
  useEffect(() => {
    let [gone, made] = [false, null as string | null];
    setBroken(false);
    const show = (found: string) => {
      made = found;
      if (gone) URL.revokeObjectURL(found);
      else setUrl(found);
    };
    if (source instanceof File) show(URL.createObjectURL(source));
    else if (source !== null) imageUrl(source).then(show, () => setBroken(true));
    return () => {
      gone = true;
      if (made !== null) URL.revokeObjectURL(made); // does nothing to a path
    };
  }, [source]);
  if (broken) return <span class={`no-image ${name ?? ""}`} aria-hidden="true">{kind}</span>;
  if (url === null) return null;
  return <img class={name} src={url} alt={alt} decoding="async" draggable={false} onError={() => setBroken(true)} />;
}
