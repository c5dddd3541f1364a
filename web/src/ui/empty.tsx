/** What the page says before there is a picture. */

import { takeFiles, takeFolder } from "../intake";
import { askAgain } from "../locating";
import { model, modelName, models } from "../state";

const ON_THIS_COMPUTER = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);

export function Empty() {
  return (
    <section class="empty">
      <h1>Where was this picture taken, and how sure are we?</h1>
      <p>Drop pictures anywhere on this page, paste one, or choose them.</p>
      <p class="buttons">
        <Choose label="Choose pictures" primary />
        <Choose label="Choose a folder" folder />
      </p>
      <WhichModel />
      <p class="small">
        {ON_THIS_COMPUTER ? "Nothing leaves this computer." : `Pictures go to ${location.host}, which keeps none of them, and nowhere else.`}{" "}
        What a camera wrote into a picture about its place is not read.
      </p>
      <Responsible />
    </section>
  );
}

export function Choose({ label, folder = false, primary = false }: { label: string; folder?: boolean; primary?: boolean }) {
  const take = (event: Event) => {
    const input = event.currentTarget as HTMLInputElement;
    if (folder) takeFolder(input.files);
    else takeFiles(input.files);
    input.value = ""; // the same again must be a change
  };
  return (
    <label class={`button ${primary ? "primary" : ""}`}>
      {label}
      <input type="file" class="unseen" multiple onChange={take} {...(folder ? { webkitdirectory: true } : { accept: "image/*" })} />
    </label>
  );
}

export function WhichModel() {
  const served = models.value.filter((one) => one.served);
  if (model.value === null) return null;
  const choose = (event: Event) => {
    modelName.value = (event.currentTarget as HTMLSelectElement).value;
    askAgain();
  };
  return (
    <div class="model">
      {served.length > 1 ? (
        <label>
          Model{" "}
          <select value={modelName.value ?? ""} onChange={choose}>
            {served.map(({ name }) => <option key={name}>{name}</option>)}
          </select>
        </label>
      ) : (
        <span>Model <b>{model.value.name}</b></span>
      )}
      <span class="small">For {model.value.domain || model.value.purpose}. On other pictures its answers mean nothing.</span>
    </div>
  );
}

export function Responsible() {
  return <p class="small responsible">An estimate is a lead to be checked, not evidence. Do not use it to find people who do not want to be found.</p>;
}
