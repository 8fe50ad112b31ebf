export default {
  title: "Settings",
  about: "Brand, announcements, access and relay settings; each shows who set it and when.",
};
