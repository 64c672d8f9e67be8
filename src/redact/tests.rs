//! What is a secret, and what is not.

use std::io::Read;

use super::{Masked, Masker};

fn masked(text: &str, emails: bool) -> (String, u64) {
    let masker = Masker::new(emails).unwrap();
    let mut from = text.as_bytes();
    let mut stream = Masked::new(&masker, &mut from);
    let mut out = String::new();
    stream.read_to_string(&mut out).unwrap();
    assert_eq!(out.len(), text.len());
    (out, stream.count())
}

/// Each secret is written between « and »; the rest of a line must stay.
const SECRETS: &[&str] = &[
    "HF_TOKEN=«hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345»",
    "export WANDB_API_KEY=«0123456789abcdef0123456789abcdef01234567»; python train.py",
    "AWS_SECRET_ACCESS_KEY=«wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzzzzz»",
    "aws_access_key_id = «AKIAIOSFODNN7EXAMPLE»",
    "    WANDB_API_KEY:   «0123456789abcdef0123456789abcdef01234567»",
    "[rank0]: {'hub_token': '«abc123def456»', 'lr': 0.1}",
    "{\"password\": \"«hunter 2»\", \"user\": \"ann\"}",
    "{\\\"api_key\\\": \\\"«k9-3f»\\\"}",
    "password: «hunter2»",
    "+ train.py --api-key «zz9plural» --lr 0.1",
    "argv: ['train.py', '--token', '«t0psecret»', '--lr', '0.1']",
    "train.py --hub_token=«abc» --x=1",
    // nccl-tests -J writes all of the environment: v2.17.6, src/util.cu
    "  \"env\": [\"NCCL_DEBUG=INFO\", \"HF_TOKEN=«hf-internal»\", \"HOME=/home/ann\"],",
    "    \"WANDB_API_KEY=«0123456789abcdef0123456789abcdef01234567»\",\n    \"NCCL_IB_HCA=mlx5_0\",",
    "\"env\": [\"NGC_API_KEY=«abc def»\", \"HOME=/home/ann\"],",
    "\"env\": [\"NGC_API_KEY=«a\\\"b, c»\", \"HOME=/home/ann\"],",
    "'NGC_API_KEY=«abc def»' 'HOME=/home/ann'",
    "{\\\"env\\\": [\\\"NGC_API_KEY=«abc def»\\\", \\\"HOME=/home/ann\\\"]}",
    "\"MYSQL_PWD=«abc def»\",",
    "MYSQL_PWD=«hunter2» mysql -u ann",
    "Server=db-1;Uid=ann;Pwd=«hunter2»;",
    "PGPASSWORD=«hunter2» psql -h db-1",
    "DB_PASS=«hunter2»",
    "AWS_SESSION_TOKEN=«IQoJb3JpZ2luX2VjEJr//////////wEaCXVzLWVhc3QtMSJHMEUCIQ»",
    "AZURE_STORAGE_KEY=«abc+/def==»",
    "docker login -u '$oauthtoken' -p «bnZhcGk6abc» nvcr.io",
    "mysqldump -u ann -p«hunter2» runs",
    "redis-cli -h db-1 -a «hunter2» ping",
    "redis://:«hunter2»@db-1:6379/0",
    "machine api.wandb.ai\n  login user\n  password «0123456789abcdef0123456789abcdef01234567»\n",
    "machine api.wandb.ai login user password «0123456789abcdef0123456789abcdef01234567»",
    "Proxy-Authorization: Basic «dXNlcjpwYXNz»",
    "    token: «abcdef.0123456789abcdef»",
    "Set-Cookie: «session=abcdef0123»",
    "POST https://hooks.slack.com/services/«T0000/B0000/abcdefgh»",
    "\"DB_URL=postgresql://diag:«p%40ss»@db-1:5432/runs\"",
    "Authorization: Bearer «abcdefgh12345678»",
    "curl -H 'Authorization: Basic «dXNlcjpwYXNz»' http://x",
    "curl -sS -u ann:«pw» https://x",
    "using bearer «abcdefghijklmnopqrst» now",
    "SLURM_JWT=«eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3MDAwMDAwMDB9.c2lnbmF0dXJl»",
    "token «eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3MDAwMDAwMDB9.c2ln» was refused",
    "cred=MUNGE:«AwQDAAABBBCCCDDDEEEFFF000111222333==»:",
    "git clone https://ann:«s3cret»@git.site.example/x.git",
    "postgresql://diag:«p%40ss»@db-1:5432/runs",
    "GET https://b.blob.example/x?sv=2024&sig=«abc%2Fdef%3D» 403",
    "wandb login «0123456789abcdef0123456789abcdef01234567»",
    "sshpass -p «secret1» ssh gpu-17",
    "OPENAI: «sk-proj-abcdefghijklmnop0123456789»",
    "{\"name\":\"NGC_API_KEY\",\"value\":\"«abc»\"},{\"name\":\"NCCL_DEBUG\",\"value\":\"INFO\"}",
    "      - name: HF_TOKEN\n        value: «hf-internal»\n      - name: NCCL_DEBUG\n        value: INFO",
    "        \"name\": \"DB_PASSWORD\",\n        \"value\": \"«abc def»\"",
    "    client-key-data: «LS0tLS1CRUdJTg==»",
    "\"auth\": \"«YW5uOnBhc3N3b3Jk»\"",
    "MY_SITE_TOKEN=«letmein»",
    "-----BEGIN OPENSSH PRIVATE KEY-----\n«b3BlbnNzaC1rZXktdjEAAAAA»\n«QyNTUxOQAAACA=»\n-----END OPENSSH PRIVATE KEY-----\nstep 12",
    "key: \"-----BEGIN PRIVATE KEY-----\\«nMIIEvQIBADANBgkqhkiG9w0B»\\n-----END PRIVATE KEY-----\\n\"",
];

/// Nothing of this is a secret.
const EVIDENCE: &[&str] = &[
    "commit 0123456789abcdef0123456789abcdef01234567",
    "GPU 0: NVIDIA H100 (UUID: GPU-5f3a1c2e-9d4b-4f6a-8e1d-0a1b2c3d4e5f)",
    "comm 0x55d5c8a0 rank 3 nranks 8 cudaDev 3 busId 3b000 commId 0x9f8e7d6c5b4a3928 - Init COMPLETE",
    "tokens per second: 12345.6, max_tokens=4096, num_tokens: 1234567890123456",
    "pad_token: '<|endoftext|>', eos_token='</s>', eos_token_id: 2, bos_token = 1",
    "Setting pad_token to eos_token: abc1234567890defgh",
    "--max-tokens 4096 --pad-token x1y2z3x1y2z3x1y2z3 --seq-len 8192",
    "KeyError: 'labels'",
    "PWD=/home/ann/run, OLDPWD=/scratch/Ann",
    "forward_pass=0.123 TEST_PASS=12 second_pass: done",
    "password incorrect\n  password required",
    "\"PATH=/usr/bin:/bin\", \"HF_TOKEN=\", \"HOME=/home/ann\"",
    "docker login -u ann nvcr.io; mysql -u ann -p",
    "MIT-MAGIC-COOKIE-1 cookie: none",
    "PASSWORD_FILE=/run/secrets/db, HF_TOKEN_PATH=/root/.cache/token",
    "HF_TOKEN=$HF_TOKEN python train.py",
    "HF_TOKEN:  <set to the key 'token' in secret 'hf'>  Optional: false",
    "Error: secret: not found",
    "Error from server (NotFound): secrets \"hf\" not found",
    "MountVolume.SetUp failed for volume \"kube-api-access-x7k2p\" : secret \"ngc\" not found",
    "password=******",
    "api_key: null, use_auth_token=False",
    "NCCL WARN NET/IB : Got completion with error 12, opcode 0, len 0, vendor err 129",
    "File \"/opt/venv/lib/python3.11/site-packages/tokenizers/__init__.py\", line 12",
    "tcp://10.0.4.18:29500 http://gpu-17:8080/metrics",
    "Primary key: 12; foreign key: 14; monkey=banana",
    "task-0123456789abcdef0123 disk-0123456789abcdef01234 done",
    "image: nvcr.io/nvidia/pytorch@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0B\n-----END CERTIFICATE-----",
    "ann@gpu-17.site.example: Connection closed",
];

#[test]
fn secrets_are_masked_and_nothing_else_of_their_lines() {
    let mut wrong = Vec::new();
    for text in SECRETS {
        let plain = text.replace(['«', '»'], "");
        let mut want = String::new();
        let mut hidden = false;
        for char in text.chars() {
            match char {
                '«' => hidden = true,
                '»' => hidden = false,
                char => want.push(if hidden { '*' } else { char }),
            }
        }
        let got = masked(&plain, false);
        if got != (want.clone(), 1) {
            wrong.push(format!("{plain}\n{want}\n{} {}", got.0, got.1));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn what_only_looks_like_a_secret_stays() {
    for text in EVIDENCE {
        assert_eq!(masked(text, false), ((*text).to_owned(), 0));
    }
}

#[test]
fn addresses_of_people_are_masked_on_request() {
    let text = "mail ann.lee@site.example about it, or ssh gpu-17";
    assert_eq!(masked(text, true).0, "mail ******************** about it, or ssh gpu-17");
    assert_eq!(masked(text, false).1, 0);
}

#[test]
fn a_secret_is_found_wherever_a_piece_ends() {
    let secret = "HF_TOKEN=hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345 ";
    for newline in ["", "\n"] {
        for before in [(1 << 20) - 20, (1 << 20) + (16 << 10) - 20, 3 << 20] {
            let text = format!("{}{newline}{secret}{}", "x ".repeat(before / 2), "y ".repeat(2 << 20));
            let (out, count) = masked(&text, false);
            assert_eq!(count, 1, "{before} {newline:?}");
            assert!(!out.contains("hf_A"));
            assert_eq!(out.matches('*').count(), secret.len() - "HF_TOKEN= ".len());
        }
    }
}

#[test]
fn any_bytes_are_taken_and_none_is_lost() {
    let masker = Masker::new(true).unwrap();
    let mut seed: u64 = 5;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as u8
    })
    .take(300_000)
    .collect();
    let mut out = Vec::new();
    Masked::new(&masker, &mut noise.as_slice()).read_to_end(&mut out).unwrap();
    assert_eq!(out.len(), noise.len());
    let newlines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(newlines(&out), newlines(&noise));
}
