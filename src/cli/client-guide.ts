import { shellQuote } from "./text.ts";

interface Facts {
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
  /** As image names have it: `registry.example.com:5080`. */
  readonly host: string;
  /** By which the server may know it: `cn:node-1`. */
  readonly name: string;
}

/** What the server and each client need before a certificate stands for somebody. Commands can be pasted as they are. */
export function clientGuide({ authority, certificate, key, host, name }: Facts): string {
  const [ca, crt, secret] = [authority, certificate, key].map(shellQuote);
  const containerd = `/etc/containerd/certs.d/${host}`;
  const hostsToml = [
    `server = "https://${host}"`,
    `[host."https://${host}"]`,
    `  ca = "${containerd}/ca.crt"`,
    `  client = [["${containerd}/client.cert", "${containerd}/client.key"]]`,
  ];
  const into = (folder: string) => [
    `sudo install -D -m 644 ${ca} ${shellQuote(`${folder}/ca.crt`)}`,
    `sudo install -D -m 644 ${crt} ${shellQuote(`${folder}/client.cert`)}`,
    `sudo install -D -m 600 ${secret} ${shellQuote(`${folder}/client.key`)}`,
  ];
  const sections: [who: string, lines: string[]][] = [
    [
      "The server, with the ARN of a user or role in place of this one",
      [
        `export BERTH_TLS_CLIENT_AUTHORITY=${ca}`,
        "export BERTH_TLS_CLIENT_CERTIFICATES=optional",
        `export BERTH_TLS_CLIENT_IDENTITIES=${shellQuote(`${name}=arn:aws:iam::000000000000:user/NAME`)}`,
      ],
    ],
    ["Docker (no restart, and no docker login)", into(`/etc/docker/certs.d/${host}`)],
    [
      'containerd, and Kubernetes with it (config_path = "/etc/containerd/certs.d" in its configuration)',
      [
        ...into(containerd),
        `printf '%s\\n' ${hostsToml.map((line) => `'${line}'`).join(" ")} | sudo tee ${shellQuote(`${containerd}/hosts.toml`)}`,
      ],
    ],
    ["Podman, Buildah, skopeo", into(`/etc/containers/certs.d/${host}`)],
    ["curl", [`curl --cacert ${ca} --cert ${crt} --key ${secret} ${shellQuote(`https://${host}/v2/`)}`]],
  ];
  return sections.map(([who, lines]) => `${who}:\n\n${lines.map((line) => `  ${line}`).join("\n")}\n`).join("\n");
}
