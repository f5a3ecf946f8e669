#!/usr/bin/env node
import { run } from "./run.js";

run(["docker-credential", ...process.argv.slice(2)]);
