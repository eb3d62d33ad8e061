mod canary;
mod door;
mod logins;
mod outward;
mod stand_in;
mod streams;
mod troubles;
