/** JSON in which every document has one meaning. The policy engine, which knows nothing of ours, is where it is needed most. */
export { parseStrictJson, type StrictJson } from "../policy/json.ts";
