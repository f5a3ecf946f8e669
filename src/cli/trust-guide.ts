import { shellQuote } from "./text.ts";

interface Facts {
  /** The file with the certificate of the authority. */
  readonly authority: string;
  /** As image names have it: `registry.example.com:5080`. */
  readonly host: string;
}

/** What clients need before they trust an authority that they do not know. Commands can be pasted as they are. */
export function trustGuide({ authority, host }: Facts): string {
  const ca = shellQuote(authority);
  const containerd = `/etc/containerd/certs.d/${host}`;
  const hostsToml = [`server = "https://${host}"`, `[host."https://${host}"]`, `  ca = "${containerd}/ca.crt"`];
  const sections: [who: string, lines: string[]][] = [
    [
      "Docker (no restart needed)",
      [`sudo install -D -m 644 ${ca} ${shellQuote(`/etc/docker/certs.d/${host}/ca.crt`)}`],
    ],
    [
      'containerd, and Kubernetes with it (config_path = "/etc/containerd/certs.d" in its configuration)',
      [
        `sudo install -D -m 644 ${ca} ${shellQuote(`${containerd}/ca.crt`)}`,
        `printf '%s\\n' ${hostsToml.map((line) => `'${line}'`).join(" ")} | sudo tee ${shellQuote(`${containerd}/hosts.toml`)}`,
      ],
    ],
    [
      "Podman, Buildah, skopeo",
      [`sudo install -D -m 644 ${ca} ${shellQuote(`/etc/containers/certs.d/${host}/ca.crt`)}`],
    ],
    ["AWS CLI, boto3, Terraform's AWS provider", [`export AWS_CA_BUNDLE=${ca}`]],
    ["Node, Bun, the AWS SDK for JavaScript, our own helpers", [`export NODE_EXTRA_CA_CERTS=${ca}`]],
    ["Go programs on Linux (crane, ORAS, Helm, cosign)", [`export SSL_CERT_FILE=${ca}`]],
    [
      "The whole system: Debian, Ubuntu",
      [`sudo install -m 644 ${ca} /usr/local/share/ca-certificates/berth.crt && sudo update-ca-certificates`],
    ],
    [
      "The whole system: Fedora, RHEL",
      [`sudo install -m 644 ${ca} /etc/pki/ca-trust/source/anchors/berth.crt && sudo update-ca-trust`],
    ],
    [
      "The whole system: macOS",
      [`sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain ${ca}`],
    ],
    ["The whole system: Windows, as administrator", ["certutil -addstore -f ROOT ca.crt"]],
  ];
  const shown = sections.map(([who, lines]) => `${who}:\n\n${lines.map((line) => `  ${line}`.trimEnd()).join("\n")}\n`);
  return `Clients do not know the authority yet. What each needs, on its machine:\n\n${shown.join("\n")}`;
}
