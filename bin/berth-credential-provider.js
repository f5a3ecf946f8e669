#!/usr/bin/env node
import { run } from "./run.js";

run(["credential-provider", ...process.argv.slice(2)]);
