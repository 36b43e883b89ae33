// Parity of all families with transformers on the reference backend.

import { createReferenceBackend } from "../../core/mod.ts";
import { testFamilies } from "../_families.ts";

await testFamilies(createReferenceBackend());
