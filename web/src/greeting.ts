/** What the page asks its server first. */

import * as api from "./api";
import { openBatch } from "./reviewing";
import { connection, countries, filter, listed, modelName, models, order, select } from "./state";

/** Asks which models there are, and whether a batch is to be reviewed. Again, if the server did not answer. */
export async function greet(): Promise<void> {
  try {
    models.value = await api.models();
    modelName.value = models.value.find(({ served }) => served)?.name ?? null;
    if (await openBatch()) {
      order.value = "least sure first";
      filter.value = "to do";
      select(listed.value[0]?.id ?? null);
    } else countries.value = await api.countries();
    performance.mark("panel ready");
  } catch (error) {
    connection.value = error instanceof api.Refused && error.status === 401 ? "key" : "gone";
  }
}
