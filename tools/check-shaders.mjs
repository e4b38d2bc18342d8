// Compiles shaders in Dawn, Chrome's WebGPU implementation: `node tools/check-shaders.mjs DIR`, where DIR holds list.json and the
// texts it names, as `WGVISION_SHADERS=DIR cargo test --test kernels shaders` writes them, and `webgpu` is installed where node
// looks for it from the current folder. Called by tools/check-shaders.
//
// Every text must give a module without errors; every form must become a compute pipeline with the layout `auto`. Dawn wants an
// adapter for that. Where it finds none that it accepts, its null backend takes the adapter's place: texts are then parsed,
// resolved and validated, pipelines checked against the default limits, and no machine code is made.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';

const folder = process.argv[2];
const require = createRequire(join(process.cwd(), 'package.json'));
const { create } = await import(pathToFileURL(require.resolve('webgpu')).href);

/// The first adapter that answers, with its backend's name.
async function findAdapter() {
  for (const flags of [[], ['backend=null']]) {
    try {
      const gpu = create(flags);
      const adapter = await gpu.requestAdapter();
      if (adapter) return { gpu, adapter, real: flags.length === 0 };
    } catch {
      // No backend of that kind on this machine.
    }
  }
  throw new Error('Dawn found no adapter and has no null backend');
}

const { gpu, adapter, real } = await findAdapter();
const features = ['shader-f16', 'subgroups'].filter((f) => adapter.features.has(f));
const device = await adapter.requestDevice({ requiredFeatures: features });
const needed = { Nothing: [], F16: ['shader-f16'], Subgroups: ['subgroups'], F16Subgroups: ['shader-f16', 'subgroups'] };
const name = real ? adapter.info.description || adapter.info.device || 'an adapter' : 'the null backend (no machine code)';
console.log(`Dawn on ${name}`);

const list = JSON.parse(readFileSync(join(folder, 'list.json'), 'utf8'));
let failed = 0;
let left = 0;
const report = (form, what) => {
  failed += 1;
  if (failed <= 20) console.error(`${form.name} ${JSON.stringify(form.constants)}: ${what}`);
};

for (const form of list) {
  if (!needed[form.needs].every((feature) => features.includes(feature))) {
    left += 1;
    continue;
  }
  const code = readFileSync(join(folder, form.file), 'utf8');
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ label: form.name, code });
  const { messages } = await module.getCompilationInfo();
  const errors = messages.filter((m) => m.type === 'error');
  if (errors.length > 0) {
    report(form, errors.map((m) => `${m.lineNum}:${m.linePos} ${m.message}`).join('\n'));
    await device.popErrorScope();
    continue;
  }
  try {
    device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'main', constants: form.constants } });
  } catch (e) {
    report(form, e.message);
  }
  const error = await device.popErrorScope();
  if (error) report(form, error.message);
}

// The check must be able to fail: a type error, and more invocations than the limit.
for (const code of [
  '@compute @workgroup_size(1) fn main() { let x: u32 = 1.5; }',
  '@compute @workgroup_size(257) fn main() {}',
]) {
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code });
  device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'main' } });
  if (!(await device.popErrorScope())) report({ name: 'control', constants: {} }, 'Dawn accepted a broken shader');
}

console.log(`${list.length - left} forms compiled, ${failed} failed, ${left} left out for a feature the adapter lacks`);
device.destroy();
process.exit(failed > 0 || list.length - left === 0 ? 1 : 0);
