// A file that the kernel hands over part by part.

import { element } from "./elements.js";

const TYPES = { csv: "text/csv", parquet: "application/vnd.apache.parquet" };

export class Download {
  begin(format) {
    this.format = format;
    this.parts = [];
  }

  take(buffers) {
    this.parts.push(...buffers);
  }

  /** Give the file to the reader, named after what it holds. */
  save(path) {
    const address = URL.createObjectURL(new Blob(this.parts, { type: TYPES[this.format] }));
    const link = element("a");
    link.href = address;
    link.download = `${path.replace(/[^\w-]+/g, "-").replace(/^-+|-+$/g, "") || "rows"}.${this.format}`;
    document.body.append(link);
    link.click();
    link.remove();
    this.parts = [];
    setTimeout(() => URL.revokeObjectURL(address), 60000);
  }
}
